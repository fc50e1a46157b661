"""`Idempotency-Key`: the same request sent twice is carried out once, and answered twice with the same words.

The key is inserted in the transaction that does the work. So a twin that comes meanwhile waits at the key's row until
the first has committed, and then reads its answer; and when the first rolls back, the twin does the work.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database import HotConn, HotTx
from service_kit.database.doors import fetch
from service_kit.problems import Problem
from service_kit.runtime import Runtime

CLAIM = """
INSERT INTO idempotency_keys (user_id, operation, key, body_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true
"""
FIND = "SELECT body_hash, status, body, location FROM idempotency_keys WHERE (user_id, operation, key) = ($1, $2, $3)"
KEEP = """
UPDATE idempotency_keys SET status = $4, body = $5, location = $6 WHERE (user_id, operation, key) = ($1, $2, $3)
"""
PRUNE = "DELETE FROM idempotency_keys WHERE created_at < now() - $1::interval"


class IdempotencyKeyMissing(Problem, status=400, type="idempotency-key-missing"):
    """Send an `Idempotency-Key` header (1 to 255 characters, new for each intent, the same when you try again)."""


class IdempotencyKeyReused(Problem, status=422, type="idempotency-key-reused"):
    """This `Idempotency-Key` came with another body before: take a new key for a new request."""


class IdempotencyKeyInUse(Problem, status=409, type="idempotency-key-in-use"):
    """The first request with this key is still under way: try again shortly, with the same key."""


@dataclass(frozen=True)
class Key:
    """An idempotency key as sent, and what its request asked for."""

    value: str
    operation: str  # the method and the path: `POST /orders`
    body_hash: bytes


@dataclass(frozen=True)
class KeptAnswer:
    """The first request's answer; status None: it is still under way (a gateway is being asked)."""

    status: int | None
    body: bytes
    location: str | None


async def claim(door: AsyncSession | HotTx, user_id: UUID, key: Key) -> KeptAnswer | None:
    """None: the key is new, and ours from now on; else the first request's answer. Raises: IdempotencyKeyReused."""
    if await fetch(door, CLAIM, user_id, key.operation, key.value, key.body_hash):
        return None
    return await find(door, user_id, key)


async def find(door: AsyncSession | HotTx | HotConn, user_id: UUID, key: Key) -> KeptAnswer | None:
    """The kept answer of an earlier request with this key, if there was one. Raises: IdempotencyKeyReused."""
    found = await fetch(door, FIND, user_id, key.operation, key.value)
    if not found:
        return None
    body_hash, status, body, location = found[0]
    if body_hash != key.body_hash:
        raise IdempotencyKeyReused
    return KeptAnswer(status, body or b"", location)


async def keep(
    door: AsyncSession | HotTx, user_id: UUID, key: Key, status: int, body: bytes, location: str | None = None
) -> None:
    """Keeps the answer for the twins; in the transaction that did the work."""
    await fetch(door, KEEP, user_id, key.operation, key.value, status, body, location)


async def prune(runtime: Runtime) -> None:
    """A job: answers are kept for as long as the settings say."""
    async with runtime.database.hot() as connection:
        await connection.execute(PRUNE, runtime.settings.idempotency_kept)
