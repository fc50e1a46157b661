"""Every operation of every service by every kind of caller: exactly those with the permission are accepted.

The operations come from OpenAPI, and what they are tried on is real: an order, a cart, an address, a payment, … of one
customer, whose ids the others name.
"""

import re
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest

from contracts.permissions import Permission, Role, permissions_of
from tests.harness import tokens
from tests.security.operations import LEAST_OPERATIONS, SERVICES, Operation
from tests.security.shop import Premises, premises

NO_SUCH_PATH = "/problems/no-such-path"
LEAST_OWN_CHARACTERS = {"user": 3, "product": 0, "inventory": 0, "order": 10, "notification": 1}
"""Operations on something that belongs to the owner: that so many were tried shows that the test can fail."""


@pytest.fixture(params=SERVICES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Premises]:
    async with premises(request.param) as made:
        yield made


async def _call(
    place: Premises, operation: Operation, client: httpx.AsyncClient, *, on_real_things: bool = True
) -> httpx.Response:
    """In path, query and body the owner's things are named; or else nothing that there is."""
    values, ids = (place.values, place.ids) if on_real_things else ({}, {})
    query = {name: value for name, value in values.items() if operation.takes(name)}
    answer = await client.request(operation.method, operation.url(ids), params=query, **operation.request(values))
    assert answer.status_code < 500 or _is_gateway_away(answer), f"{operation}: {answer.status_code} {answer.text}"
    return answer


def _is_gateway_away(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and "gateway" in answer.text


_LACKING = re.compile(r'Bearer error="insufficient_scope", error_description="[^"]+", scope="([^"]+)"')
"""RFC 6750, 3.1."""


def _bad_tokens() -> Iterator[tuple[str, str | None]]:
    yield "no token", None
    yield "for another audience", tokens.token(role="Admin", aud="another-shop")
    yield "expired", tokens.token(role="Admin", exp=int(time.time()) - 1)


def _who_lacks(permissions: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Everybody with a good token that doesn't carry all of these."""
    if not permissions:
        return
    for role in Role:
        if not permissions_of([role]).issuperset(permissions):
            yield role, tokens.token(role=role)
    others = [permission for permission in Permission if permission not in permissions]
    yield "an API client without", _client_token(*others)
    yield "an API client that may nothing", _client_token()


def _client_token(*permissions: str) -> str:
    id = uuid4()
    return tokens.token(*permissions, user_id=id, client_id=str(id))


async def test_every_operation_needs_its_permission(place: Premises) -> None:
    """401 without a good token, 403 without the permission; and nothing at all has happened."""
    before, tried = await place.rows(), 0
    for operation in place.operations:
        if operation.permissions is None:
            continue
        for what, token in _bad_tokens():
            answer = await _call(place, operation, place.served.client(token))
            assert answer.status_code == 401, f"{operation}, {what}: {answer.status_code}"
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge == "Bearer" if token is None else 'error="invalid_token"' in challenge, str(operation)
        for what, token in _who_lacks(operation.permissions):
            answer = await _call(place, operation, place.served.client(token))
            assert answer.status_code == 403, f"{operation}, {what}: {answer.status_code}"
            lacking = _LACKING.fullmatch(answer.headers["WWW-Authenticate"])
            assert lacking, f"{operation}, {what}: {answer.headers['WWW-Authenticate']}"
            assert lacking[1] in operation.permissions
        tried += 1
    assert tried >= LEAST_OPERATIONS[place.service] // 2
    assert await place.rows() == before


async def test_resources_of_other_customers_are_not_found(place: Premises) -> None:
    """A customer, and an API client with just the permission, name the owner's things: none is shown, none changes."""
    before, marks, tried = await place.rows_of_owner(), place.marks, 0
    assert len(before) >= 1 or place.service == "product"
    for operation in place.operations:
        if operation.permissions is None or not operation.is_ones_own:
            continue
        callers = {
            "another customer": tokens.token(role="User"),
            "an API client": _client_token(*operation.permissions),
        }
        for what, token in callers.items():
            answer = await _call(place, operation, place.served.client(token))
            shown = [mark for mark in marks if mark in answer.text and mark not in str(answer.request.url)]
            assert not (answer.is_success and shown), f"{operation}, {what}: shows {shown}"
            if _names_what_is_owned(place, operation):
                assert answer.status_code in (403, 404), f"{operation}, {what}: {answer.status_code} {answer.text}"
                assert answer.json()["type"] != NO_SUCH_PATH
        tried += _names_what_is_owned(place, operation)
    assert tried >= LEAST_OWN_CHARACTERS[place.service]
    assert await place.rows_of_owner() == before


async def test_the_permission_is_sufficient(place: Premises) -> None:
    """Staff and API clients with the permission get past the guard; the owner's own requests are carried out."""
    for operation in place.operations:
        if operation.permissions is None:
            continue
        may: dict[str, str] = {
            role: tokens.token(role=role) for role in Role if permissions_of([role]).issuperset(operation.permissions)
        }
        may["an API client"] = _client_token(*operation.permissions)
        for what, token in may.items():
            answer = await _call(place, operation, place.served.client(token), on_real_things=False)
            kept_out = answer.status_code in (401, 403) and answer.json()["type"] != "/problems/not-yours-to-give"
            assert not kept_out, f"{operation}, {what}: {answer.text}"
    for operation in sorted(place.operations, key=lambda each: each.method == "delete"):
        if operation.is_ones_own and _names_what_is_owned(place, operation):
            answer = await _call(place, operation, place.as_owner)
            assert answer.status_code not in (401, 403, 404, 422), f"{operation}: {answer.status_code} {answer.text}"


async def test_public_operations_ask_for_no_token_but_reject_a_bad_one(place: Premises) -> None:
    for operation in place.operations:
        if operation.permissions is not None:
            continue
        answer = await _call(place, operation, place.served.anonymous)
        assert answer.headers.get("WWW-Authenticate") is None, f"{operation}: {answer.status_code}"
        if operation.takes_token:
            for what, token in _bad_tokens():
                if token is not None:
                    rejected = await _call(place, operation, place.served.client(token))
                    assert rejected.status_code == 401, f"{operation}, {what}: {rejected.status_code}"


def _names_what_is_owned(place: Premises, operation: Operation) -> bool:
    """Whether its path has the id of a thing that is the owner's; what lies in a cart is anybody's product."""
    if not operation.is_ones_own or not operation.parameters or operation.path.startswith("/cart"):
        return False
    found = operation.url(place.ids)
    return any(mark in found for mark in place.marks)
