"""An order as the body of a response, written by PostgreSQL, so that a large order doesn't block the event loop."""

import json
from typing import NamedTuple
from uuid import UUID

from contracts.address import Address
from order_service.orders.models import PAYMENT_STATUS, Order
from service_kit.database import Connection, Statement, Transaction
from service_kit.problems import not_found

_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# Adds newer optional fields of the contract, as null, to addresses that were stored without them.
_NO_ADDRESS = json.dumps({name: None for name, field in Address.model_fields.items() if not field.is_required()})
# Every change of the response must change the tag. Refunds, `stuck_reason` and the erasure of an account don't change
# the version, so they are parts of the tag.
TAG = """
concat_ws('.', o.version, nullif(o.refunded, 0), CASE WHEN o.stuck_reason IS NOT NULL THEN 'still' END,
          CASE WHEN o.ship_to->>'name' = 'erased' THEN 'erased' END)
"""
LINE_TOTAL = "coalesce(l.total, l.unit_price * l.quantity - l.discount + l.tax)"
"""`pricing.lines.line_total`, of a line `l`."""
_LINES = f"""
json_agg(json_build_object(
    'product_id', l.product_id, 'sku', l.sku, 'name', l.name, 'quantity', l.quantity,
    'unit_price', json_build_object('amount', l.unit_price, 'currency', o.currency),
    'total', json_build_object('amount', {LINE_TOTAL}, 'currency', o.currency)
) ORDER BY l.position)
"""
# `pricing.rates.rate_text`: all decimals but up to four zeros at the end.
_RATE = """
CASE WHEN l.tax_rate = 0 THEN '0.00'
     ELSE regexp_replace(to_char(l.tax_rate / 1000000.0, 'FM0.000000'), '0{1,4}$', '') END
"""
_QUOTE_LINES = f"""
json_agg(json_build_object(
    'product_id', l.product_id, 'quantity', l.quantity, 'unit_price', l.unit_price,
    'subtotal', l.unit_price * l.quantity, 'discount', l.discount, 'net', {LINE_TOTAL} - l.tax, 'tax', l.tax,
    'tax_rate', {_RATE}, 'total', {LINE_TOTAL}
) ORDER BY l.position)
"""
_SHIPPING = """
CASE WHEN o.shipping IS NULL THEN '{"method": null, "name": null, "amount": 0, "discount": 0, "net": 0, "tax": 0,
                                   "total": 0, "from": null, "to": null}'::jsonb
     ELSE o.shipping - '{id,kind,warehouse_id,standard_amount,taxes}'::text[] END
"""
_ADJUSTMENTS = """
CASE WHEN o.discount = 0 THEN '[]' ELSE (
    SELECT coalesce(json_agg(json_build_object(
        'promotion_id', a.promotion_id, 'code', a.code, 'line', nullif(a.position, 0), 'amount', a.amount
    ) ORDER BY a.position, a.promotion_id), '[]') FROM order_adjustments a WHERE a.order_id = o.id
) END
"""
# `pricing.schemas.OrderQuoteOut`.
_QUOTE = f"""
json_build_object(
    'currency', o.currency, 'lines', of_order.quote_lines, 'shipping', {_SHIPPING}, 'discount', o.discount,
    'net', o.total - o.tax, 'tax', o.tax, 'rounding', 0, 'total', o.total,
    'prices_include_tax', o.prices_include_tax, 'tax_note', o.tax_note, 'adjustments', {_ADJUSTMENTS}
)
"""
_PARCELS = """
CASE WHEN o.fulfilment_status = 'unfulfilled' THEN '[]' ELSE (
    SELECT coalesce(json_agg(json_build_object(
        'id', p.id, 'status', p.status, 'carrier', p.carrier, 'tracking_number', p.tracking_number,
        'tracking_url', p.tracking_url
    ) ORDER BY p.id), '[]') FROM order_shipments p WHERE p.order_id = o.id
) END
"""
# `schemas.OrderOut` as JSON.
_BODY = f"""
json_build_object(
    'id', o.id, 'number', o.number::text, 'customer_id', o.customer_id, 'status', o.status,
    'payment_status', {PAYMENT_STATUS}, 'fulfilment_status', o.fulfilment_status,
    'line_count', of_order.line_count, 'lines', of_order.lines,
    'total', json_build_object('amount', o.total, 'currency', o.currency),
    'ship_to', '{_NO_ADDRESS}'::jsonb || o.ship_to,
    'pay_by', to_char(o.pay_by AT TIME ZONE 'UTC', {_TIME}), 'payment', o.payment,
    'created_at', to_char(o.created_at AT TIME ZONE 'UTC', {_TIME}),
    'stuck_reason', CASE WHEN :for_staff THEN o.stuck_reason END, 'version', o.version, 'parcels', {_PARCELS},
    'bill_to', CASE WHEN o.bill_to IS NOT NULL THEN '{_NO_ADDRESS}'::jsonb || o.bill_to END, 'quote', {_QUOTE}
)::text
"""
SHOW = Statement(f"""
SELECT {_BODY} AS body, {TAG} AS tag
FROM orders o, LATERAL (
    SELECT count(*) AS line_count, coalesce({_LINES}, '[]') AS lines, coalesce({_QUOTE_LINES}, '[]') AS quote_lines
    FROM order_lines l WHERE l.order_id = o.id
) AS of_order
WHERE o.id = :order_id AND (:owner::uuid IS NULL OR o.customer_id = :owner)
""")


class RenderedOrder(NamedTuple):
    """The body of an order's response, and its tag."""

    body: str
    tag: str


async def show(db: Connection | Transaction, order_id: UUID, owner: UUID | None, *, for_staff: bool) -> RenderedOrder:
    """Hot: the whole response from one statement (benchmark: read an order). `owner` None: any customer's. `for_staff`:
    with `stuck_reason`, which customers don't see. Raises: NotFound.

    Within a transaction it includes the transaction's own changes.
    """
    row = await SHOW.fetchrow(db, order_id=order_id, owner=owner, for_staff=for_staff)
    return RenderedOrder(*row) if row else not_found(Order, order_id)
