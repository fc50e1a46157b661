"""`Idempotency-Key`: the same request sent twice is carried out once, and answered twice with the same words.

The key is inserted in the transaction that does the work. So a twin that comes meanwhile waits at the key's row until
the first has committed, and then reads its answer; and when the first rolls back, the twin does the work.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from service_kit.database import HotConn, HotTx
from service_kit.database.doors import fetch
from service_kit.http.router import Route
from service_kit.problems import Problem
from service_kit.runtime import Runtime

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

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
    operation: str  # see `operation_of`
    body_hash: bytes


@dataclass(frozen=True)
class KeptAnswer:
    """The first request's answer; status None: it is still under way (a gateway is being asked)."""

    status: int | None
    body: bytes
    location: str | None

    def response(self) -> Response:
        """Raises: IdempotencyKeyInUse."""
        if self.status is None:
            raise IdempotencyKeyInUse(retry_after=1)
        headers = {"Idempotent-Replayed": "true", **({"Location": self.location} if self.location else {})}
        return Response(self.body, self.status, headers, media_type="application/json")


_Sent = Annotated[str | None, Header(description="new for each intent; the same when the same request is tried again")]


async def _key(request: Request, idempotency_key: _Sent = None) -> Key:
    if not idempotency_key or len(idempotency_key) > 255:
        raise IdempotencyKeyMissing
    return Key(idempotency_key, operation_of(request), await _hash_of_body(request))


def operation_of(request: Request) -> str:
    """`POST /payments/0199…/refunds`: the route, with its parameters as they were understood, not as typed.

    An id in capitals or without hyphens names the same thing, and so is the same operation.
    """
    route: Route = request.scope["route"]
    return f"{request.method} {route.path_of(request.path_params)}"


async def _key_if_sent(request: Request, idempotency_key: _Sent = None) -> Key | None:
    return None if idempotency_key is None else await _key(request, idempotency_key)


IdempotencyKey = Annotated[Key, Depends(_key)]
MaybeIdempotencyKey = Annotated[Key | None, Depends(_key_if_sent)]
"""For what people also do by hand: who sends no key, and sends the request twice, has it carried out twice."""


async def _hash_of_body(request: Request) -> bytes:
    """SHA-256 of the body as canonical JSON: neither spaces nor the order of members make another request."""
    try:
        body = _CANONICAL.encode(await request.json()).encode()  # which is decoded once for all who ask
    except ValueError:  # no body, or one that validation refuses
        body = await request.body()
    return hashlib.sha256(body).digest()


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
