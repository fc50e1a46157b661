"""The last orders, without their customers."""

from typing import Any

from local_stack.shop import Shop
from tools.trail.tables import reading

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
        return [{**row._asdict(), "created_at": _iso(row.created_at), "status_since": _iso(row.status_since)}
                for row in cursor.fetchall()]  # fmt: skip


def _iso(at: Any) -> str:
    return str(at.isoformat())
