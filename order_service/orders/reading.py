"""One order as it is sent: PostgreSQL writes the JSON, so that a large order costs the event loop nothing."""

import json
from typing import NamedTuple
from uuid import UUID

from contracts.address import Address
from order_service.orders.models import Order, PaymentStatus
from service_kit.database import HotConn, HotTx
from service_kit.problems import not_found

_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# Addresses that were stored before the contract had all its present fields have none of the newer ones.
_NO_ADDRESS = json.dumps({name: None for name, field in Address.model_fields.items() if not field.is_required()})
# models.payment_status, in SQL.
PAYMENT_STATUS = f"""
CASE WHEN o.captured > 0 AND o.captured <= o.refunded THEN '{PaymentStatus.REFUNDED}'
     WHEN o.captured - o.refunded >= o.total THEN '{PaymentStatus.PAID}'
     WHEN o.refunded > 0 THEN '{PaymentStatus.PARTIALLY_REFUNDED}'
     WHEN o.captured > 0 THEN '{PaymentStatus.PARTIALLY_PAID}'
     ELSE '{PaymentStatus.UNPAID}' END
"""
# Everything that changes the answer changes the tag: a refund, the mark of the sweeper and the erasure of an account
# leave the version as it is.
TAG = """
concat_ws('.', o.version, nullif(o.refunded, 0), CASE WHEN o.stuck_reason IS NOT NULL THEN 'still' END,
          CASE WHEN o.ship_to->>'name' = 'erased' THEN 'erased' END)
"""
LINES = """
json_agg(json_build_object(
    'product_id', l.product_id, 'sku', l.sku, 'name', l.name, 'quantity', l.quantity,
    'unit_price', json_build_object('amount', l.unit_price, 'currency', o.currency),
    'total', json_build_object('amount', l.unit_price * l.quantity - l.discount + l.tax, 'currency', o.currency)
) ORDER BY l.position)
"""
PARCELS = """
CASE WHEN o.fulfilment_status = 'unfulfilled' THEN '[]' ELSE (
    SELECT coalesce(json_agg(json_build_object(
        'id', p.id, 'status', p.status, 'carrier', p.carrier, 'tracking_number', p.tracking_number,
        'tracking_url', p.tracking_url
    ) ORDER BY p.id), '[]') FROM order_shipments p WHERE p.order_id = o.id
) END
"""
# schemas.OrderOut, as JSON.
BODY = f"""
json_build_object(
    'id', o.id, 'number', o.number::text, 'customer_id', o.customer_id, 'status', o.status,
    'payment_status', {PAYMENT_STATUS}, 'fulfilment_status', o.fulfilment_status,
    'line_count', of_order.line_count, 'lines', of_order.lines,
    'total', json_build_object('amount', o.total, 'currency', o.currency),
    'ship_to', '{_NO_ADDRESS}'::jsonb || o.ship_to,
    'pay_by', to_char(o.pay_by AT TIME ZONE 'UTC', {_TIME}),
    'created_at', to_char(o.created_at AT TIME ZONE 'UTC', {_TIME}),
    'stuck_reason', CASE WHEN $3 THEN o.stuck_reason END, 'version', o.version, 'parcels', {PARCELS}
)::text
"""
SHOW = f"""
SELECT {BODY} AS body, {TAG} AS tag
FROM orders o, LATERAL (
    SELECT count(*) AS line_count, coalesce({LINES}, '[]') AS lines FROM order_lines l WHERE l.order_id = o.id
) AS of_order
WHERE o.id = $1 AND ($2::uuid IS NULL OR o.customer_id = $2)
"""  # noqa: S608 (constants of this module)


class Shown(NamedTuple):
    """An order as it is sent."""

    body: str
    tag: str


async def show(session: HotConn | HotTx, order_id: UUID, owner: UUID | None, *, for_staff: bool) -> Shown:
    """Hot: the whole answer from one statement (benchmark: read an order). `owner` None: anybody's. `for_staff`: with
    what it waits for, which is not for customers. Raises: NotFound.

    Within a transaction it is the order as that has changed it.
    """
    row = await session.fetchrow(SHOW, order_id, owner, for_staff)
    return Shown(*row) if row else not_found(Order, order_id)
