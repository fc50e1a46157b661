"""The export and erasure of personal data: orders stay for accounting, without the customer's name and address."""

from collections.abc import Sequence
from uuid import UUID

from order_service.annotations import queries as annotations
from order_service.catalogue import queries as catalogue
from order_service.fulfilment import use_cases as fulfilment
from order_service.fulfilment.use_cases import Step
from order_service.merging import merge
from order_service.orders.lifecycle import Cause, Trigger
from order_service.orders.models import BEFORE_PAID, Actor
from order_service.search import queries as search
from service_kit.clock import utcnow
from service_kit.database import Statement, Transaction
from service_kit.personal_data import PersonalData, Section

ORDER = """
to_jsonb({table}) || jsonb_build_object(
    'lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.position) FROM order_lines l WHERE l.order_id = orders.id),
    'history', (SELECT jsonb_agg(to_jsonb(h) #- '{{details,note}}' ORDER BY h.version)
                FROM order_history h WHERE h.order_id = orders.id),
    'shipments', (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.id) FROM order_shipments s WHERE s.order_id = orders.id),
    'payments', (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM payments p WHERE p.order_id = orders.id),
    'refunds', (SELECT jsonb_agg(to_jsonb(r) - 'note' ORDER BY r.id) FROM refunds r WHERE r.order_id = orders.id),
    'redemptions', (SELECT jsonb_agg(to_jsonb(d) - 'customer_key' ORDER BY d.promotion_id)
                    FROM redemptions d WHERE d.order_id = orders.id),
    'returns', (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id) FROM returns b WHERE b.order_id = orders.id)
)
"""
# Invoices outlive the account for the legal term, with the recipient's name and address (`ORDER_INVOICE_RETENTION`).
INVOICE = """
to_jsonb({table}) || jsonb_build_object(
    'recipient', (SELECT r.content FROM invoice_recipients r WHERE r.invoice_id = invoices.id)
)
"""
OF_CUSTOMER = "order_id IN (SELECT id FROM orders WHERE customer_id = :account_id)"
# Orders that another transaction holds are cancelled by the next run.
UNPAID = Statement("""
SELECT id FROM orders WHERE customer_id = ANY(:customer_ids::uuid[]) AND status = ANY(:before_paid::text[])
ORDER BY id FOR UPDATE SKIP LOCKED
""")
# The country stays, for accounting. The inventory service has its own copy for shipments that have not left.
# An order that is still to be invoiced keeps its address until then, for the invoice.
ERASE_SHIP_TO = Statement("""
UPDATE orders SET bill_to = NULL,
                  ship_to = jsonb_build_object('name', 'erased', 'line1', 'erased', 'city', 'erased',
                                               'country', ship_to->'country')
WHERE customer_id = ANY(:customer_ids::uuid[]) AND status <> ALL(:before_paid::text[]) AND ship_to->>'name' <> 'erased'
  AND NOT EXISTS (SELECT FROM invoice_requests r WHERE r.order_id = orders.id)
  AND NOT (status IN ('paid', 'cancelling') AND EXISTS (SELECT FROM invoice_policy WHERE issue_at = 'dispatched'))
""")
ERASE_REASONS = Statement("""
UPDATE order_history AS h SET reason = NULL FROM orders AS o
WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND h.order_id = o.id AND h.reason IS NOT NULL
  AND (h.actor = 'customer' OR h.trigger = 'return.refused' OR h.details ? 'received_on')
""")
ERASE_NOTES = Statement("""
UPDATE order_history AS h SET details = nullif(h.details - 'note', '{}') FROM orders AS o
WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND h.order_id = o.id AND h.details ? 'note'
""")
ERASE_REFUNDS = Statement("""
UPDATE refunds AS r SET reason = NULL, note = NULL,
    failure_reason = CASE WHEN r.gateway <> 'bank_transfer' THEN r.failure_reason END  -- that is a text of staff
FROM orders AS o
WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND r.order_id = o.id
  AND (r.reason IS NOT NULL OR r.note IS NOT NULL OR r.gateway = 'bank_transfer' AND r.failure_reason IS NOT NULL)
""")
ERASE_RETURNS = Statement("""
UPDATE returns SET reason = NULL, rejection_reason = NULL
WHERE customer_id = ANY(:customer_ids::uuid[]) AND (reason IS NOT NULL OR rejection_reason IS NOT NULL)
""")
ERASE_CLIENT_ADDRESSES = Statement("""
UPDATE payments SET client_address = NULL WHERE customer_id = ANY(:customer_ids::uuid[]) AND client_address IS NOT NULL
""")
# Other accounts with the same address have the same key, and it is erased of their orders too. Whoever has the address
# can use the promotions again.
ERASE_PROMOTION_CUSTOMERS = Statement("""
DELETE FROM promotion_customers AS c USING orders AS o, redemptions AS r
WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND r.order_id = o.id
  AND c.promotion_id = r.promotion_id AND c.customer_key = r.customer_key
""")
ERASE_CUSTOMER_KEYS = Statement("""
UPDATE redemptions AS r SET customer_key = NULL FROM orders AS o JOIN redemptions AS own ON own.order_id = o.id
WHERE o.customer_id = ANY(:customer_ids::uuid[])
  AND r.promotion_id = own.promotion_id AND r.customer_key = own.customer_key
""")
# Stored responses contain the address, also those to staff who ordered for the customer.
ERASE_RESPONSES = Statement("DELETE FROM idempotency_keys WHERE user_id = ANY(:customer_ids::uuid[])")
ERASE_RESPONSES_TO_STAFF = Statement("""
DELETE FROM idempotency_keys AS k USING orders AS o, order_history AS h
WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND h.order_id = o.id AND h.trigger = 'placed' AND h.actor = 'staff'
  AND k.user_id = h.actor_id AND (k.operation = 'POST /orders' OR k.operation LIKE 'POST /drafts/%')
  AND k.location = '/orders/' || o.id
""")
# A sequential scan: an index would cost every event of every order, and accounts are erased rarely.
ERASE_EVENTS = Statement("""
DELETE FROM outbox WHERE published_at IS NOT NULL
  AND subject IN (SELECT id::text FROM orders WHERE customer_id = ANY(:customer_ids::uuid[]))
""")
# First, because placing a draft locks it before anything else. They contain the address.
ERASE_DRAFTS = Statement("DELETE FROM drafts WHERE customer_id = ANY(:customer_ids::uuid[])")
# In this order, because every change of a cart's items, and every order from it, locks the cart first.
ERASE_CARTS = Statement("DELETE FROM carts WHERE customer_id = ANY(:customer_ids::uuid[])")
ERASE_CART_ITEMS = Statement("DELETE FROM cart_items WHERE customer_id = ANY(:customer_ids::uuid[])")
# Orders keep the number that they were placed with: it is why they have no tax.
ERASE_TAX_IDS = Statement("DELETE FROM tax_ids WHERE customer_id = ANY(:customer_ids::uuid[])")
ERASE_CUSTOMERS = Statement("""
UPDATE account_status SET email = NULL, name = NULL, email_verified = NULL, groups = '{}'
WHERE user_id = ANY(:customer_ids::uuid[]) AND email IS NOT NULL
""")
STATEMENTS = (
    ERASE_CUSTOMERS, ERASE_REASONS, ERASE_NOTES, ERASE_REFUNDS, ERASE_RETURNS, ERASE_CLIENT_ADDRESSES,
    ERASE_RESPONSES, ERASE_RESPONSES_TO_STAFF, ERASE_TAX_IDS, ERASE_PROMOTION_CUSTOMERS, ERASE_CUSTOMER_KEYS,
    search.ERASE, annotations.ERASE_NOTES, annotations.ERASE_TAGS,
)  # fmt: skip


async def erase(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    await erase_late(tx, customer_ids)
    await ERASE_EVENTS.execute(tx, customer_ids=customer_ids)


async def erase_late(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    """Cancels the unpaid orders, since nobody can sign in to pay them. After that no order needs its address."""
    await ERASE_DRAFTS.execute(tx, customer_ids=customer_ids)
    await ERASE_CARTS.execute(tx, customer_ids=customer_ids)
    await ERASE_CART_ITEMS.execute(tx, customer_ids=customer_ids)
    cause, unpaid = Cause(utcnow(), Actor.CLOCK, reason="the account was erased"), list(BEFORE_PAID)
    found = await UNPAID.fetch(tx, customer_ids=customer_ids, before_paid=unpaid)
    await fulfilment.apply(tx, [Step(id, Trigger.CANCEL, cause) for (id,) in found])
    await ERASE_SHIP_TO.execute(tx, customer_ids=customer_ids, before_paid=unpaid)
    for statement in STATEMENTS:
        await statement.execute(tx, customer_ids=customer_ids)


PERSONAL_DATA = PersonalData(
    sections=[
        Section("cart", "cart_items", id="product_id"),
        Section("tax_id", "tax_ids", id="customer_id"),
        Section("drafts", "drafts", json="to_jsonb({table}) - '{{note,created_by}}'::text[]", page=20),
        Section("orders", "orders", json=ORDER, page=20),
        Section("invoices", "invoices", where=OF_CUSTOMER, json=INVOICE),
    ],
    erase=erase,
    erase_late=erase_late,
    merge=merge,
    on_user_changed=catalogue.update_customers,
)
