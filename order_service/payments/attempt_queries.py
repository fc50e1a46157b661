"""Statements about attempts to pay: how many failed lately, and which payment tokens may be charged now."""

from collections.abc import Sequence
from uuid import UUID

from order_service.payments.limits import AttemptOrigin, Attempts
from order_service.payments.models import IS_OPEN
from service_kit.database import Connection, Statement, Transaction

_OF_LAST_HOUR = "FROM payments WHERE status <> 'succeeded' AND created_at > now() - interval '1 hour'"
_MAY_ATTEMPT = f"""
  AND (o.client_address IS NULL OR :attempts::int = 0
       OR (SELECT count(*) {_OF_LAST_HOUR} AND customer_id = o.customer_id) < :attempts)
  AND (o.client_address IS NULL OR :attempts_of_address::int = 0
       OR (SELECT count(*) {_OF_LAST_HOUR} AND client_address = o.client_address) < :attempts_of_address)
"""
_TOKENS_DUE = Statement(f"""
SELECT t.order_id FROM payment_tokens t JOIN orders o ON o.id = t.order_id
WHERE o.status = 'awaiting_payment'
  AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = t.order_id AND p.{IS_OPEN})
  {_MAY_ATTEMPT}
ORDER BY t.order_id LIMIT :limit
""")
_TOKENS_TO_TRY = Statement(f"""
SELECT t.order_id FROM payment_tokens t JOIN orders o ON o.id = t.order_id
WHERE t.order_id = ANY(:order_ids::uuid[]) {_MAY_ATTEMPT}
""")
_ATTEMPTS = Statement(f"""
SELECT * FROM (SELECT count(*), min(created_at) {_OF_LAST_HOUR} AND customer_id = :origin.account) AS by_account,
              (SELECT count(*), min(created_at) {_OF_LAST_HOUR} AND client_address = :origin.address) AS by_address
""")
PRUNE_CLIENT_ADDRESSES = Statement(f"""
UPDATE payments SET client_address = NULL
WHERE client_address IS NOT NULL AND created_at < now() - interval '1 hour' AND NOT {IS_OPEN}
""")


async def tokens_due(db: Connection, limit: int, attempts: int, attempts_of_address: int) -> list[UUID]:
    """Orders that await payment, came with a token, and have no open payment. Those of accounts and addresses that have
    used up the hour's attempts (0: no limit) are due when the hour is over."""
    limits = {"attempts": attempts, "attempts_of_address": attempts_of_address}
    return [row[0] for row in await _TOKENS_DUE.fetch(db, limit=limit, **limits)]


async def tokens_to_try(
    db: Connection, order_ids: Sequence[UUID], attempts: int, attempts_of_address: int
) -> list[UUID]:
    """Those of these orders that came with a token, and whose customers are within the limits of this hour."""
    limits = {"attempts": attempts, "attempts_of_address": attempts_of_address}
    return [row[0] for row in await _TOKENS_TO_TRY.fetch(db, order_ids=order_ids, **limits)]


async def attempts(tx: Transaction, origin: AttemptOrigin) -> tuple[Attempts, Attempts]:
    """The recent attempts of the account, and those from the client address."""
    row = await _ATTEMPTS.fetchrow(tx, origin=origin)
    return Attempts(*row[:2]), Attempts(*row[2:])
