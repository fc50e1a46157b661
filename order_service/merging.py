"""Gives what a guest's account has to the registered account that it became part of.

An order that a process places meanwhile with a token of the guest is moved by the job that repeats this.
"""

from collections.abc import Sequence

from contracts.events.users import UserMerged
from order_service.carts import use_cases as carts
from service_kit.database import Statement, Transaction, rows

_MERGED = rows("event", UserMerged, "user_id", "into")
# Payments and returns are inserted under the lock of their order. Both accounts may hold an order that `owes_alone`.
ORDERS = Statement(f"""
WITH moved AS (
    SELECT orders.id, event."into" FROM orders JOIN {_MERGED} ON orders.customer_id = event.user_id
    ORDER BY orders.id FOR UPDATE OF orders
), payment AS (
    UPDATE payments SET customer_id = moved."into" FROM moved WHERE payments.order_id = moved.id
), return AS (
    UPDATE returns SET customer_id = moved."into" FROM moved WHERE returns.order_id = moved.id
)
UPDATE orders SET customer_id = moved."into", owes_alone = NULL FROM moved WHERE orders.id = moved.id
""")  # noqa: S608 (no input in it)
# The registered account's own response to a request with the same key stays.
RESPONSES = Statement(f"""
WITH taken AS (
    DELETE FROM idempotency_keys AS stored USING {_MERGED} WHERE stored.user_id = event.user_id
    RETURNING event."into", stored.operation, stored.key, stored.body_hash, stored.status, stored.body, stored.location,
              stored.created_at
)
INSERT INTO idempotency_keys (user_id, operation, key, body_hash, status, body, location, created_at)
SELECT * FROM taken ON CONFLICT DO NOTHING
""")  # noqa: S608 (no input in it)
DRAFTS = Statement(f"""
UPDATE drafts SET customer_id = event."into" FROM {_MERGED} WHERE drafts.customer_id = event.user_id
""")  # noqa: S608 (no input in it)
# The registered account's own tax id stays.
TAX_IDS = Statement(f"""
WITH taken AS (
    DELETE FROM tax_ids AS stored USING {_MERGED} WHERE stored.customer_id = event.user_id
    RETURNING event."into", stored.country, stored.number, stored.state, stored.check_at
)
INSERT INTO tax_ids (customer_id, country, number, state, check_at) SELECT * FROM taken ON CONFLICT DO NOTHING
""")  # noqa: S608 (no input in it)
FORGET_CUSTOMERS = Statement("""
UPDATE account_status SET email = NULL, name = NULL, email_verified = NULL, groups = '{}'
WHERE user_id = ANY(:event[].user_id::uuid[]) AND email IS NOT NULL
""")


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    """Carts get the larger quantity of each product, as far as they have room."""
    await carts.take_over(tx, {event.user_id: event.into for event in events})
    for statement in (ORDERS, RESPONSES, DRAFTS, TAX_IDS, FORGET_CUSTOMERS):
        await statement.execute(tx, event=events)
