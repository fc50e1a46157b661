"""Every operation of every service accepts exactly the callers that have its permission.

The operations are read from OpenAPI. They are called with the ids of one customer's existing orders, payments,
addresses and so on.
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
from tests.security.seeded_service import SeededService, seeded_service

NO_SUCH_PATH = "/problems/no-such-path"
LEAST_OWNED = {"user": 3, "product": 0, "inventory": 0, "order": 10, "notification": 1}
"""The least number of operations on a resource of the owner that must be tried, so that the test can fail."""


@pytest.fixture(params=SERVICES)
async def seeded(request: pytest.FixtureRequest) -> AsyncIterator[SeededService]:
    async with seeded_service(request.param) as made:
        yield made


async def _call(
    seeded: SeededService, operation: Operation, client: httpx.AsyncClient, *, on_existing: bool = True
) -> httpx.Response:
    """Calls the operation with the owner's resources in path, query and body, or else with ids that do not exist."""
    values, ids = (seeded.values, seeded.ids) if on_existing else ({}, {})
    query = {name: value for name, value in values.items() if operation.takes(name)}
    answer = await client.request(operation.method, operation.url(ids), params=query, **operation.request(values))
    assert answer.status_code < 500 or _is_gateway_away(answer), f"{operation}: {answer.status_code} {answer.text}"
    return answer


def _is_gateway_away(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and "gateway" in answer.text


_LACKING = re.compile(r'Bearer error="insufficient_scope", error_description="[^"]+", scope="([^"]+)"')
"""The challenge of RFC 6750, section 3.1."""


def _bad_tokens() -> Iterator[tuple[str, str | None]]:
    yield "no token", None
    yield "for another audience", tokens.token(role="Admin", aud="another-shop")
    yield "expired", tokens.token(role="Admin", exp=int(time.time()) - 1)


def _callers_without(permissions: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Callers with a valid token that lacks at least one of these permissions."""
    if not permissions:
        return
    for role in Role:
        if not permissions_of([role]).issuperset(permissions):
            yield role, tokens.token(role=role)
    others = [permission for permission in Permission if permission not in permissions]
    yield "an API client with all other permissions", _client_token(*others)
    yield "an API client without any permission", _client_token()


def _client_token(*permissions: str) -> str:
    id = uuid4()
    return tokens.token(*permissions, user_id=id, client_id=str(id))


async def test_every_operation_needs_its_permission(seeded: SeededService) -> None:
    """It responds 401 without a valid token and 403 without the permission, and changes no row."""
    before, tried = await seeded.rows(), 0
    for operation in seeded.operations:
        if operation.permissions is None:
            continue
        for what, token in _bad_tokens():
            answer = await _call(seeded, operation, seeded.served.client(token))
            assert answer.status_code == 401, f"{operation}, {what}: {answer.status_code}"
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge == "Bearer" if token is None else 'error="invalid_token"' in challenge, str(operation)
        for what, token in _callers_without(operation.permissions):
            answer = await _call(seeded, operation, seeded.served.client(token))
            assert answer.status_code == 403, f"{operation}, {what}: {answer.status_code}"
            lacking = _LACKING.fullmatch(answer.headers["WWW-Authenticate"])
            assert lacking, f"{operation}, {what}: {answer.headers['WWW-Authenticate']}"
            assert lacking[1] in operation.permissions
        tried += 1
    assert tried >= LEAST_OPERATIONS[seeded.service] // 2
    assert await seeded.rows() == before


async def test_resources_of_other_customers_are_not_found(seeded: SeededService) -> None:
    """Another customer, and an API client with the permission, can neither see nor change the owner's resources."""
    before, private_texts, tried = await seeded.rows_of_owner(), seeded.private_texts, 0
    assert len(before) >= 1 or seeded.service == "product"
    for operation in seeded.operations:
        if operation.permissions is None or not operation.is_ones_own:
            continue
        callers = {
            "another customer": tokens.token(role="User"),
            "an API client": _client_token(*operation.permissions),
        }
        for what, token in callers.items():
            answer = await _call(seeded, operation, seeded.served.client(token))
            shown = [mark for mark in private_texts if mark in answer.text and mark not in str(answer.request.url)]
            assert not (answer.is_success and shown), f"{operation}, {what}: shows {shown}"
            if _names_an_owned_resource(seeded, operation):
                assert answer.status_code in (403, 404), f"{operation}, {what}: {answer.status_code} {answer.text}"
                assert answer.json()["type"] != NO_SUCH_PATH
        tried += _names_an_owned_resource(seeded, operation)
    assert tried >= LEAST_OWNED[seeded.service]
    assert await seeded.rows_of_owner() == before


async def test_the_permission_is_sufficient(seeded: SeededService) -> None:
    """Staff and API clients with the permission are not rejected, and the owner's requests on their own data work."""
    for operation in seeded.operations:
        if operation.permissions is None:
            continue
        may: dict[str, str] = {
            role: tokens.token(role=role) for role in Role if permissions_of([role]).issuperset(operation.permissions)
        }
        may["an API client"] = _client_token(*operation.permissions)
        for what, token in may.items():
            answer = await _call(seeded, operation, seeded.served.client(token), on_existing=False)
            kept_out = answer.status_code in (401, 403) and answer.json()["type"] != "/problems/not-yours-to-give"
            assert not kept_out, f"{operation}, {what}: {answer.text}"
    for operation in sorted(seeded.operations, key=lambda each: each.method == "delete"):
        if operation.is_ones_own and _names_an_owned_resource(seeded, operation):
            answer = await _call(seeded, operation, seeded.as_owner)
            assert answer.status_code not in (401, 403, 404, 422), f"{operation}: {answer.status_code} {answer.text}"


async def test_public_operations_ask_for_no_token_but_reject_a_bad_one(seeded: SeededService) -> None:
    for operation in seeded.operations:
        if operation.permissions is not None:
            continue
        answer = await _call(seeded, operation, seeded.served.anonymous)
        assert answer.headers.get("WWW-Authenticate") is None, f"{operation}: {answer.status_code}"
        if operation.takes_token:
            for what, token in _bad_tokens():
                if token is not None:
                    rejected = await _call(seeded, operation, seeded.served.client(token))
                    assert rejected.status_code == 401, f"{operation}, {what}: {rejected.status_code}"


def _names_an_owned_resource(seeded: SeededService, operation: Operation) -> bool:
    """Whether its path has the id of a resource of the owner. Paths of the cart and of a product's reviews have ids of
    products, which are nobody's."""
    if not operation.is_ones_own or not operation.parameters or operation.path.startswith(("/cart", "/products")):
        return False
    found = operation.url(seeded.ids)
    return any(mark in found for mark in seeded.private_texts)
