"""The last orders, without their customers."""

from datetime import datetime
from typing import Any

from local_stack.shop import Shop
from tools.trail.tables import Rows, reading

COUNT = 40
# By the id, which begins with the time, and has an index.
LAST = """
SELECT number, status, fulfilment_status, currency, total, created_at, status_since, stuck_reason,
       (SELECT sum(quantity)::bigint FROM order_lines WHERE order_id = orders.id) AS pieces
FROM orders ORDER BY id DESC LIMIT %s
"""


def last(shop: Shop) -> list[dict[str, Any]]:
    """Newest first. Raises: StackError."""
    with reading(shop, "order") as cursor:
        cursor.execute(LAST, (COUNT,))
        rows: Rows = cursor.fetchall()
    return [_in_json(row._asdict()) for row in rows]


def _in_json(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
