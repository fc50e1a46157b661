"""Clients cannot set values that the shop determines (ids, states, totals, roles, times)."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from tests.security.operations import SERVICES, Operation
from tests.security.shop import Premises, premises

FORGED_ID = "0badcafe-0000-7000-8000-0badcafe0bad"
FORGED_NUMBER = 987_654_321
FORGED_TIME = "1999-09-09T09:09:09Z"
FORGED_WORD = "forged-by-the-caller"
MARKS = (FORGED_ID, str(FORGED_NUMBER), "1999-09-09", FORGED_WORD)
"""How a value that got through is found again in the database, whatever its column."""

OF_THE_SHOP = {
    "id": FORGED_ID, "user_id": FORGED_ID, "account_id": FORGED_ID, "customer_id": FORGED_ID, "owner": FORGED_ID,
    "status": FORGED_WORD, "payment_status": FORGED_WORD, "state": FORGED_WORD, "slug": FORGED_WORD,
    "roles": ["Admin", FORGED_WORD], "permissions": [FORGED_WORD], "is_admin": True, "active": False,
    "email_verified": True, "version": FORGED_NUMBER, "number": FORGED_NUMBER, "total": FORGED_NUMBER,
    "captured": FORGED_NUMBER, "refunded": FORGED_NUMBER, "unit_price": FORGED_NUMBER, "reserved": FORGED_NUMBER,
    "on_hand": FORGED_NUMBER, "password_hash": FORGED_WORD, "created_at": FORGED_TIME, "updated_at": FORGED_TIME,
    "told_at": FORGED_TIME, "published_at": FORGED_TIME,
}  # fmt: skip
LEAST_BODIES = {"user": 3, "product": 5, "inventory": 6, "order": 6, "notification": 1}


@pytest.fixture(params=SERVICES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Premises]:
    async with premises(request.param) as made:
        yield made


async def test_fields_that_clients_may_not_set_are_rejected_or_ignored(place: Premises) -> None:
    tried = 0
    for operation in place.operations:
        asked = operation.body_schema()
        if asked is None:
            continue
        tried += 1
        forged = _fields_of_the_shop(operation, asked)
        assert len(forged) > len(OF_THE_SHOP) // 2, str(operation)
        for everywhere in (True, False):
            answer = await _send(place, operation, forged, everywhere=everywhere)
            assert answer.status_code < 500 or "gateway" in answer.text, f"{operation}: {answer.text}"
            assert answer.status_code != 403, f"{operation}: {answer.text}"
            kept = [row for row in await place.rows() if any(mark in row for mark in MARKS)]
            assert kept == [], str(operation)
            if answer.is_success:
                assert not any(mark in answer.text for mark in MARKS), f"{operation}: {answer.text}"
        plain = await _send(place, operation, {}, everywhere=False)
        assert plain.status_code != 422, f"{operation} is refused without them too: {plain.text}"
    assert tried >= LEAST_BODIES[place.service]


async def test_registration_cannot_create_staff() -> None:
    async with premises("user") as place:
        body = {"email": "eve@example.com", "password": "quite a long password", "full_name": "Eve"}
        for roles in (["Admin"], ["User", "SubAdmin"], ["User", "User", "Admin"]):
            for client in (place.served.anonymous, place.as_owner, place.client(role="SubAdmin")):
                answer = await client.post("/users", json={**body, "roles": roles})
                assert answer.status_code == 403, answer.text


def _fields_of_the_shop(operation: Operation, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer has and the request hasn't, and the usual suspects."""
    answered = operation.answer_schema() or {}
    fields = {name: _forged(operation, schema) for name, schema in answered.get("properties", {}).items()}
    return {name: value for name, value in {**fields, **OF_THE_SHOP}.items() if name not in asked.get("properties", {})}


def _forged(operation: Operation, schema: Mapping[str, Any]) -> Any:
    schema = operation.resolve(schema)
    match schema.get("type"):
        case "integer" | "number":
            return FORGED_NUMBER
        case "boolean":
            return True
        case "array":
            return [_forged(operation, schema.get("items", {}))]
        case "object":
            return {name: _forged(operation, each) for name, each in schema.get("properties", {}).items()}
        case _:
            return {"uuid": FORGED_ID, "date-time": FORGED_TIME}.get(schema.get("format", ""), FORGED_WORD)


async def _send(
    place: Premises, operation: Operation, forged: Mapping[str, Any], *, everywhere: bool
) -> httpx.Response:
    """By who may. `everywhere`: in the objects within the body too."""
    client = (
        place.as_owner if operation.is_ones_own else place.admin if operation.is_guarded else place.served.anonymous
    )
    request = operation.request(place.values if not operation.is_ones_own else _things(place))
    request["json"] = _with(request["json"], forged, everywhere)
    return await client.request(operation.method, operation.url(place.ids), **request)


def _things(place: Premises) -> dict[str, Any]:
    """Customers name products; whom an order is for is staff's to say."""
    return {name: value for name, value in place.values.items() if name == "product_id"}


def _with(value: Any, forged: Mapping[str, Any], everywhere: bool) -> Any:
    if isinstance(value, list):
        return [_with(each, forged, everywhere) for each in value]
    if not isinstance(value, dict):
        return value
    below = {name: _with(each, forged, everywhere) for name, each in value.items()} if everywhere else value
    return {**forged, **below}
