"""Statements about who may still try to pay: the counts behind the limits, and the tokens that they let through."""

from collections.abc import Sequence
from uuid import UUID

from order_service.payments.limits import AttemptOrigin, Attempts
from order_service.payments.models import IS_OPEN
from service_kit.database import Connection, Transaction

_MAY_ATTEMPT = """\
  AND (o.client_address IS NULL OR $2::int = 0 OR (
      SELECT count(*) FROM payments p
      WHERE p.customer_id = o.customer_id AND p.status <> 'succeeded'
        AND p.created_at > now() - interval '1 hour') < $2)
  AND (o.client_address IS NULL OR $3::int = 0 OR (
      SELECT count(*) FROM payments p
      WHERE p.client_address = o.client_address AND p.status <> 'succeeded'
        AND p.created_at > now() - interval '1 hour') < $3)
"""
_TOKENS_DUE = f"""
SELECT t.order_id
FROM payment_tokens t JOIN orders o ON o.id = t.order_id
WHERE o.status = 'awaiting_payment'
  AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = t.order_id AND p.{IS_OPEN})
{_MAY_ATTEMPT}ORDER BY t.order_id LIMIT $1
"""  # noqa: S608 (the condition above)

_TOKENS_TO_TRY = f"""
SELECT t.order_id
FROM payment_tokens t JOIN orders o ON o.id = t.order_id
WHERE t.order_id = ANY($1::uuid[])
{_MAY_ATTEMPT}"""  # noqa: S608 (the condition above)

_ATTEMPTS = """
SELECT by_account.count AS by_account, by_account.since AS account_since,
       by_address.count AS by_address, by_address.since AS address_since
FROM (
    SELECT count(*), min(created_at) AS since FROM payments
    WHERE customer_id = $1 AND status <> 'succeeded' AND created_at > now() - interval '1 hour'
) AS by_account, (
    SELECT count(*), min(created_at) AS since FROM payments
    WHERE client_address = $2 AND status <> 'succeeded' AND created_at > now() - interval '1 hour'
) AS by_address
"""

PRUNE_CLIENT_ADDRESSES = f"""
UPDATE payments SET client_address = NULL
WHERE client_address IS NOT NULL AND created_at < now() - interval '1 hour' AND NOT {IS_OPEN}
"""  # noqa: S608


async def tokens_due(db: Connection, limit: int, attempts: int, attempts_of_address: int) -> list[UUID]:
    """Orders that await payment, came with a token, and have no payment under way. Those of whoever has tried so often
    within the hour without success (0: no limit) wait until it is over."""
    return [row[0] for row in await db.fetch(_TOKENS_DUE, limit, attempts, attempts_of_address)]


async def tokens_to_try(
    db: Connection, order_ids: Sequence[UUID], attempts: int, attempts_of_address: int
) -> list[UUID]:
    """Those of these orders that came with a token, and whose customers may still try one in this hour."""
    return [row[0] for row in await db.fetch(_TOKENS_TO_TRY, list(order_ids), attempts, attempts_of_address)]


async def attempts(tx: Transaction, payer: AttemptOrigin) -> tuple[Attempts, Attempts]:
    """Of the account, and of the client address."""
    row = await tx.fetchrow(_ATTEMPTS, payer.account, payer.address)
    return Attempts(row["by_account"], row["account_since"]), Attempts(row["by_address"], row["address_since"])


async def prune_client_addresses(db: Connection) -> None:
    """Nothing counts by them any more."""
    await db.execute(PRUNE_CLIENT_ADDRESSES)
