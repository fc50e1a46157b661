"""The `Idempotency-Key` header; `service_kit.idempotency` stores the responses."""

import hashlib
import json
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from service_kit.database import AnySession
from service_kit.http.router import Route
from service_kit.idempotency import IdempotencyKeyInUse, IdempotencyKeyMissing, Key, StoredResponse, store
from service_kit.security import Principal

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_Sent = Annotated[str | None, Header(description="new for each intent; the same when a request is sent again")]


async def _key(request: Request, idempotency_key: _Sent = None) -> Key:
    if not idempotency_key or len(idempotency_key) > 255:
        raise IdempotencyKeyMissing
    return Key(idempotency_key, operation_of(request), await _hash_of_body(request))


def operation_of(request: Request) -> str:
    """`POST /payments/0199…/refunds`: the method and the path, with its parameters in canonical form.

    So the same id in capitals or without hyphens names the same operation.
    """
    route: Route = request.scope["route"]
    return f"{request.method} {route.path_of(request.path_params)}"


async def _key_if_sent(request: Request, idempotency_key: _Sent = None) -> Key | None:
    return None if idempotency_key is None else await _key(request, idempotency_key)


IdempotencyKey = Annotated[Key, Depends(_key)]
MaybeIdempotencyKey = Annotated[Key | None, Depends(_key_if_sent)]
"""Optional: without a key, a request that is sent twice is executed twice."""


async def _hash_of_body(request: Request) -> bytes:
    """The SHA-256 of the body as canonical JSON, so that spaces and the order of members make no difference."""
    try:
        body = _CANONICAL.encode(await request.json()).encode()  # the request keeps the decoded body
    except ValueError:  # no body, or one that validation rejects
        body = await request.body()
    return hashlib.sha256(body).digest()


async def respond(
    db: AnySession, who: Principal, key: Key | None, status: int, made: BaseModel, location: str
) -> Response:
    """The response to a first request, which is stored for duplicate requests if it came with a key."""
    body = made.model_dump_json().encode()
    if key:
        await store(db, who.user_id, key, status, body, location)
    return Response(body, status, {"Location": location}, media_type="application/json")


def replay(stored: StoredResponse) -> Response:
    """The response to the first request. Raises: IdempotencyKeyInUse, while that one is still being processed."""
    if stored.status is None:
        raise IdempotencyKeyInUse(retry_after=1)
    headers = {"Idempotent-Replayed": "true", **({"Location": stored.location} if stored.location else {})}
    return Response(stored.body, stored.status, headers, media_type="application/json")
