"""What is held about a person, and how it is taken out of what stays for the books."""

from collections.abc import Collection
from uuid import UUID

from order_service.orders.models import BEFORE_PAID
from service_kit.audit.queries import EXPORT as AUDIT_LOG
from service_kit.database import HotTx
from service_kit.http.export import Section
from service_kit.security import standing

CUSTOMER = """
SELECT user_id, to_jsonb(customers)::text FROM customers WHERE user_id = $1 AND user_id > $2 LIMIT $3
"""
CART = """
SELECT product_id, to_jsonb(cart_items)::text FROM cart_items
WHERE user_id = $1 AND product_id > $2 ORDER BY product_id LIMIT $3
"""
ORDERS = """
SELECT o.id, (to_jsonb(o) || jsonb_build_object(
    'lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.position) FROM order_lines l WHERE l.order_id = o.id),
    'history', (SELECT jsonb_agg(to_jsonb(h) #- '{details,note}' ORDER BY h.version)
                FROM order_history h WHERE h.order_id = o.id),
    'shipments', (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.id) FROM order_shipments s WHERE s.order_id = o.id),
    'payments', (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM payments p WHERE p.order_id = o.id),
    'refunds', (SELECT jsonb_agg(to_jsonb(r) - 'note' ORDER BY r.id) FROM refunds r WHERE r.order_id = o.id),
    'returns', (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id) FROM returns b WHERE b.order_id = o.id)
))::text
FROM orders o WHERE o.user_id = $1 AND o.id > $2 ORDER BY o.id LIMIT $3
"""
SECTIONS = [
    Section("account", standing.EXPORT),
    Section("customer", CUSTOMER),
    Section("cart", CART),
    Section("orders", ORDERS, page=20),
    AUDIT_LOG,
]

UNPAID = """
SELECT id FROM orders WHERE user_id = ANY($1::uuid[]) AND status = ANY($2::text[]) ORDER BY id FOR UPDATE SKIP LOCKED
"""
# The country stays, for the books. Inventory has its own copy for the parcels that are still to leave.
FORGET_SHIP_TO = """
UPDATE orders SET ship_to = jsonb_build_object('name', 'erased', 'line1', 'erased', 'city', 'erased',
                                               'country', ship_to->'country')
WHERE user_id = ANY($1::uuid[]) AND status <> ALL($2::text[]) AND ship_to->>'name' <> 'erased'
"""
FORGET_REASONS = """
UPDATE order_history AS h SET reason = NULL FROM orders AS o
WHERE o.user_id = ANY($1::uuid[]) AND h.order_id = o.id AND h.reason IS NOT NULL
  AND (h.actor = 'customer' OR h.trigger = 'return.refused')
"""
FORGET_NOTES = """
UPDATE order_history AS h SET details = nullif(h.details - 'note', '{}') FROM orders AS o
WHERE o.user_id = ANY($1::uuid[]) AND h.order_id = o.id AND h.details ? 'note'
"""
FORGET_REFUNDS = """
UPDATE refunds AS r SET reason = NULL, note = NULL FROM orders AS o
WHERE o.user_id = ANY($1::uuid[]) AND r.order_id = o.id AND (r.reason IS NOT NULL OR r.note IS NOT NULL)
"""
FORGET_RETURNS = """
UPDATE returns SET reason = NULL, refusal = NULL
WHERE user_id = ANY($1::uuid[]) AND (reason IS NOT NULL OR refusal IS NOT NULL)
"""
FORGET_ADDRESSES_OF_PAYERS = """
UPDATE payments SET client_address = NULL WHERE user_id = ANY($1::uuid[]) AND client_address IS NOT NULL
"""
# Kept answers show the address; also those to staff who ordered for the customer.
FORGET_ANSWERS = "DELETE FROM idempotency_keys WHERE user_id = ANY($1::uuid[])"
FORGET_ANSWERS_TO_STAFF = """
DELETE FROM idempotency_keys AS k USING orders AS o, order_history AS h
WHERE o.user_id = ANY($1::uuid[]) AND h.order_id = o.id AND h.trigger = 'placed' AND h.actor = 'staff'
  AND k.user_id = h.actor_id AND k.operation = 'POST /orders' AND k.location = '/orders/' || o.id
"""
# From end to end, since no index could be paid for by each event of each order: an account is erased seldom.
FORGET_EVENTS = """
DELETE FROM outbox WHERE published_at IS NOT NULL
  AND subject IN (SELECT id::text FROM orders WHERE user_id = ANY($1::uuid[]))
"""
FORGET_WORDS_AND_ANSWERS = (
    FORGET_REASONS, FORGET_NOTES, FORGET_REFUNDS, FORGET_RETURNS, FORGET_ADDRESSES_OF_PAYERS, FORGET_ANSWERS,
    FORGET_ANSWERS_TO_STAFF,
)  # fmt: skip


async def lock_unpaid(tx: HotTx, user_ids: Collection[UUID]) -> list[UUID]:
    """Their orders that nothing was paid for yet; what somebody else holds is for the next time."""
    return [row[0] for row in await tx.fetch(UNPAID, list(user_ids), list(BEFORE_PAID))]


async def forget(tx: HotTx, user_ids: Collection[UUID]) -> None:
    """Takes the person out of their orders, but for those that may still be paid."""
    await tx.execute(FORGET_SHIP_TO, list(user_ids), list(BEFORE_PAID))
    for statement in FORGET_WORDS_AND_ANSWERS:
        await tx.execute(statement, list(user_ids))


async def forget_events(tx: HotTx, user_ids: Collection[UUID]) -> None:
    """What was published about their orders, and is kept a day to look at."""
    await tx.execute(FORGET_EVENTS, list(user_ids))
