"""Statements of the recovery; they run once, and need no index."""

from uuid import UUID

from order_service.orders.models import HistoryEntry, Order, OrderLine
from service_kit.database import Statement, Transaction, insert

_ORDER_COLUMNS = (
    "id", "number", "customer_id", "status", "fulfilment_status", "currency", "total", "pay_by", "ship_to",
    "created_at", "status_since", "version",
)  # fmt: skip
_INSERT_ORDER = Statement(f"""
WITH placed AS (
    INSERT INTO orders ({", ".join(_ORDER_COLUMNS)}, captured, refunded)
    SELECT :order.id::uuid, :order.number::bigint, :order.customer_id::uuid, :order.status::text,
           :order.fulfilment_status::text, :order.currency::text, :order.total::bigint, :order.pay_by::timestamptz,
           :order.ship_to::jsonb, :order.created_at::timestamptz, :order.status_since::timestamptz,
           :order.version::bigint, 0, 0
), line AS (
    {insert("lines", OrderLine)}
), ordered AS (  -- the cart, as it was restored, still has what was ordered from it
    DELETE FROM cart_items c USING unnest(:lines[].product_id::uuid[], :lines[].quantity::int[]) AS l (product, pieces)
    WHERE c.customer_id = :order.customer_id::uuid AND c.product_id = l.product AND c.quantity = l.pieces
)
{insert("history", HistoryEntry)}
""")
_NAMES = Statement("SELECT product_id, sku, name FROM catalogue_products WHERE product_id = ANY(:ids::uuid[])")
RAISE_ORDERS = Statement("""
UPDATE orders SET version = greatest(orders.version, seen.version)
FROM unnest(:ids::uuid[], :versions::bigint[]) AS seen (id, version) WHERE orders.id = seen.id
""")
RAISE_PAYMENTS = Statement("""
UPDATE payments SET version = greatest(payments.version, seen.version)
FROM unnest(:ids::uuid[], :versions::int[]) AS seen (id, version) WHERE payments.id = seen.id
""")
# Changes without an event, such as another shipping address, raise the version too: a client may have seen it.
JUMP_ORDERS = Statement("""
UPDATE orders SET version = version + :jump::int WHERE status NOT IN ('rejected', 'cancelled', 'expired', 'returned')
""")
JUMP_CARTS = Statement("UPDATE carts SET version = version + :jump::int")
# Number by number, since the serving role may take numbers of a sequence, but not set it.
JUMP_NUMBERS = Statement("""
SELECT max(nextval('orders_number_seq')) FROM generate_series(
    1, greatest(0, greatest(:seen::bigint, (SELECT max(number) FROM orders))
                   - (SELECT last_value FROM orders_number_seq)) + :jump::int)
""")
RENAME_REFUND = Statement("UPDATE refunds SET id = :to::uuid WHERE id = :id::uuid")
WITHDRAW_REFUND = Statement("""
WITH withdrawn AS (DELETE FROM refunds WHERE id = :id::uuid RETURNING order_id, currency, amount)
UPDATE orders SET refunding = refunding - withdrawn.amount
FROM withdrawn WHERE orders.id = withdrawn.order_id AND orders.currency = withdrawn.currency
""")
# Paid automatically, as its customer was told, by a token that is lost.
WITHOUT_TOKEN = Statement("""
SELECT o.id FROM orders o WHERE o.id = ANY(:ids::uuid[]) AND o.status IN ('pending', 'awaiting_payment')
  AND NOT EXISTS (SELECT FROM payment_tokens t WHERE t.order_id = o.id)
  AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.settled_at IS NULL)
ORDER BY o.id
""")
# Of customers whose orders were recovered: one of those may be this draft, which must not be placed a second time.
DROP_DRAFTS = Statement("""
UPDATE drafts SET status = 'dropped', version = version + 1
WHERE status = 'open' AND customer_id = ANY(:customer_ids::uuid[]) RETURNING id
""")
OPEN_PAYMENT = Statement("SELECT id FROM payments WHERE order_id = :order_id AND settled_at IS NULL")


async def insert_order(tx: Transaction, order: Order, lines: list[OrderLine], placed: HistoryEntry) -> None:
    await _INSERT_ORDER.execute(tx, order=order, lines=lines, history=[placed])


async def names(tx: Transaction, product_ids: list[UUID]) -> dict[UUID, tuple[str, str]]:
    """SKU and name of each product, as they are now."""
    return {row[0]: (row[1], row[2]) for row in await _NAMES.fetch(tx, ids=product_ids)}
