"""Idempotency keys: a duplicate request gets the stored response to the first.

The key is inserted in the transaction that does the work. A concurrent duplicate waits at the key's row until the first
commits, then reads its response; if the first rolls back, the duplicate does the work.
"""

from dataclasses import dataclass
from uuid import UUID

from service_kit.database import AnySession, Statement
from service_kit.problems import Problem

CLAIM = Statement("""
INSERT INTO idempotency_keys (user_id, operation, key, body_hash)
VALUES (:user_id, :key.operation, :key.value, :key.body_hash) ON CONFLICT DO NOTHING RETURNING true
""")
FIND = Statement("""
SELECT body_hash, status, body, location FROM idempotency_keys
WHERE (user_id, operation, key) = (:user_id, :key.operation, :key.value)
""")
STORE = Statement("""
UPDATE idempotency_keys SET status = :status, body = :body, location = :location
WHERE (user_id, operation, key) = (:user_id, :key.operation, :key.value)
""")


class IdempotencyKeyMissing(Problem, status=400, type="idempotency-key-missing"):
    """Send an `Idempotency-Key` header (1 to 255 characters, new for each intent, the same when you try again)."""


class IdempotencyKeyReused(Problem, status=422, type="idempotency-key-reused"):
    """This `Idempotency-Key` came with another body before: take a new key for a new request."""


class IdempotencyKeyInUse(Problem, status=409, type="idempotency-key-in-use"):
    """The first request with this key is still under way: try again shortly, with the same key."""


@dataclass(frozen=True)
class Key:
    """An idempotency key as sent, with the operation and the body's hash."""

    value: str
    operation: str  # the method and the path: `POST /orders`
    body_hash: bytes


@dataclass(frozen=True)
class StoredResponse:
    """The response to the first request; `status` None: that request is in progress, such as waiting for a gateway."""

    status: int | None
    body: bytes
    location: str | None


async def claim(db: AnySession, user_id: UUID, key: Key) -> StoredResponse | None:
    """Stores the key. Returns None if it is new, else the first request's response. Raises: IdempotencyKeyReused."""
    if await CLAIM.fetch(db, user_id=user_id, key=key):
        return None
    return await find(db, user_id, key)


async def find(db: AnySession, user_id: UUID, key: Key) -> StoredResponse | None:
    """The stored response of an earlier request with this key, if there was one. Raises: IdempotencyKeyReused."""
    found = await FIND.fetchrow(db, user_id=user_id, key=key)
    if found is None:
        return None
    body_hash, status, body, location = found
    if body_hash != key.body_hash:
        raise IdempotencyKeyReused
    return StoredResponse(status, body or b"", location)


async def store(db: AnySession, user_id: UUID, key: Key, status: int, body: bytes, location: str | None = None) -> None:
    """Stores the response for duplicate requests, in the transaction that did the work."""
    await STORE.execute(db, user_id=user_id, key=key, status=status, body=body, location=location)
