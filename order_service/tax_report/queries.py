"""What the report reads: sums of sales by SQL, and refunded orders one by one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from order_service.tax_report.models import RefundedOrder
from service_kit.database import Connection, Statement

# The conditions of the partial index on the history. An order has one such entry at most, since no transition leads
# back to a status before it was paid.
_PAID = "h.to_status = 'paid' AND h.from_status IN ('pending', 'awaiting_payment')"
_WANTED = """
(:wanted.currency::text IS NULL OR o.currency = :wanted.currency)
AND (:wanted.country::text IS NULL OR o.ship_to->>'country' = :wanted.country)
"""
# As `pricing.lines.line_total`.
_LINE_TOTAL = "coalesce(l.total, l.unit_price * l.quantity - l.discount + l.tax)"
_SHIPPING_TAXES = "coalesce(o.shipping->'taxes', '[]')"

SALES = Statement(f"""
WITH sold AS (
    SELECT o.id, to_char(h.at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, o.ship_to->>'country' AS country, o.currency,
           o.tax_note, o.total, {_SHIPPING_TAXES} AS shipping_taxes
    FROM order_history h JOIN orders o ON o.id = h.order_id
    WHERE {_PAID} AND h.at >= :wanted.since AND h.at < :wanted.until AND {_WANTED}
), taxed AS (
    SELECT sold.id, l.tax_rate::bigint AS rate, {_LINE_TOTAL} AS gross, l.tax
    FROM sold JOIN order_lines l ON l.order_id = sold.id
    UNION ALL
    SELECT sold.id, part.rate, part.net + part.tax, part.tax
    FROM sold, jsonb_to_recordset(sold.shipping_taxes) AS part (rate bigint, net bigint, tax bigint)
), parts AS (
    SELECT * FROM taxed
    UNION ALL
    SELECT sold.id, 0, sold.total - coalesce(sum(taxed.gross), 0), 0
    FROM sold LEFT JOIN taxed ON taxed.id = sold.id GROUP BY sold.id, sold.total
)
SELECT month, country, currency, rate::int AS rate, tax_note, sum(gross)::bigint AS gross, sum(tax)::bigint AS tax
FROM sold JOIN parts ON parts.id = sold.id
GROUP BY month, country, currency, rate, tax_note HAVING sum(gross) <> 0
""")
REFUNDED = Statement("""
SELECT DISTINCT order_id FROM refunds
WHERE status = 'succeeded' AND settled_at >= :wanted.since AND settled_at < :wanted.until AND order_id > :after
ORDER BY order_id LIMIT :limit
""")
REFUNDED_ORDERS = Statement(f"""
SELECT o.id, o.currency, o.ship_to->>'country' AS country, o.tax_note, o.total, h.at AS paid_at,
       {_SHIPPING_TAXES} AS shipping_taxes,
       (SELECT coalesce(json_agg(json_build_object(
            'position', l.position, 'quantity', l.quantity, 'tax_rate', l.tax_rate, 'tax', l.tax, 'total', {_LINE_TOTAL}
        )), '[]') FROM order_lines l WHERE l.order_id = o.id) AS lines,
       (SELECT coalesce(json_agg(json_build_object('id', r.id, 'lines', r.lines) ORDER BY r.received_at, r.id), '[]')
        FROM returns r WHERE r.order_id = o.id AND r.status IN ('received', 'refunded')) AS returns,
       (SELECT coalesce(json_agg(json_build_object(
            'at', m.at, 'amount', m.amount, 'is_refund', m.is_refund, 'return_id', m.return_id
        ) ORDER BY m.at, m.is_refund, m.id), '[]') FROM (
            SELECT id, settled_at AS at, amount, false AS is_refund, NULL::uuid AS return_id FROM payments
            WHERE order_id = o.id AND status = 'succeeded' AND currency = o.currency
            UNION ALL
            SELECT id, settled_at, amount, true, return_id FROM refunds
            WHERE order_id = o.id AND status = 'succeeded' AND currency = o.currency
        ) AS m) AS moved
FROM orders o JOIN order_history h ON h.order_id = o.id AND {_PAID}
WHERE o.id = ANY(:ids::uuid[]) AND {_WANTED}
""")
ORDERS = TypeAdapter(list[RefundedOrder])


class Wanted(NamedTuple):
    """What is reported: from `since` until before `until`, in one currency or country or (None) in all."""

    since: datetime
    until: datetime
    currency: str | None = None
    country: str | None = None


async def sales(connection: Connection, wanted: Wanted) -> Sequence[Any]:
    """The sums of the orders that were paid."""
    return await SALES.fetch(connection, wanted=wanted)


async def refunded(connection: Connection, wanted: Wanted, after: UUID, limit: int) -> list[UUID]:
    """The next orders of which something was refunded."""
    return [id for (id,) in await REFUNDED.fetch(connection, wanted=wanted, after=after, limit=limit)]


async def refunded_orders(connection: Connection, wanted: Wanted, ids: Sequence[UUID]) -> list[RefundedOrder]:
    """Those of these orders that were paid, and are in the wanted currency and country."""
    rows = await REFUNDED_ORDERS.fetch(connection, wanted=wanted, ids=list(ids))
    return ORDERS.validate_python([dict(row) for row in rows])
