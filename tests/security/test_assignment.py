"""Clients cannot set values that the shop determines (ids, states, totals, roles, times)."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from tests.security.operations import SERVICES, Operation
from tests.security.seeded_service import SeededService, seeded_service

FORGED_ID = "0badcafe-0000-7000-8000-0badcafe0bad"
FORGED_NUMBER = 987_654_321
FORGED_TIME = "1999-09-09T09:09:09Z"
FORGED_WORD = "forged-by-the-caller"
FORGED_TEXTS = (FORGED_ID, str(FORGED_NUMBER), "1999-09-09", FORGED_WORD)
"""Texts by which a forged value is found in the database, whatever column it was written to."""

SERVER_FIELDS = {
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
async def seeded(request: pytest.FixtureRequest) -> AsyncIterator[SeededService]:
    async with seeded_service(request.param) as made:
        yield made


async def test_fields_that_clients_may_not_set_are_rejected_or_ignored(seeded: SeededService) -> None:
    tried = 0
    for operation in seeded.operations:
        asked = operation.body_schema()
        if asked is None:
            continue
        tried += 1
        forged = _server_fields(operation, asked)
        assert len(forged) > len(SERVER_FIELDS) // 2, str(operation)
        for everywhere in (True, False):
            answer = await _send(seeded, operation, forged, everywhere=everywhere)
            assert answer.status_code < 500 or "gateway" in answer.text, f"{operation}: {answer.text}"
            assert answer.status_code != 403, f"{operation}: {answer.text}"
            kept = [row for row in await seeded.rows() if any(mark in row for mark in FORGED_TEXTS)]
            assert kept == [], str(operation)
            if answer.is_success:
                assert not any(mark in answer.text for mark in FORGED_TEXTS), f"{operation}: {answer.text}"
        plain = await _send(seeded, operation, {}, everywhere=False)
        assert plain.status_code != 422, f"{operation} rejects the request without the forged fields, too: {plain.text}"
    assert tried >= LEAST_BODIES[seeded.service]


async def test_registration_cannot_create_staff() -> None:
    async with seeded_service("user") as seeded:
        body = {"email": "eve@example.com", "password": "quite a long password", "full_name": "Eve"}
        for roles in (["Admin"], ["User", "SubAdmin"], ["User", "User", "Admin"]):
            for client in (seeded.served.anonymous, seeded.as_owner, seeded.client(role="SubAdmin")):
                answer = await client.post("/users", json={**body, "roles": roles})
                assert answer.status_code == 403, answer.text


def _server_fields(operation: Operation, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the response that the request does not declare, and names that attackers commonly try."""
    answered = operation.answer_schema() or {}
    fields = {name: _forged(operation, schema) for name, schema in answered.get("properties", {}).items()}
    return {
        name: value for name, value in {**fields, **SERVER_FIELDS}.items() if name not in asked.get("properties", {})
    }


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
    seeded: SeededService, operation: Operation, forged: Mapping[str, Any], *, everywhere: bool
) -> httpx.Response:
    """Sends as a caller with the permission. `everywhere` adds the fields to nested objects, too."""
    client = (
        seeded.as_owner if operation.is_ones_own else seeded.admin if operation.is_guarded else seeded.served.anonymous
    )
    request = operation.request(seeded.values if not operation.is_ones_own else _customer_values(seeded))
    request["json"] = _with(request["json"], forged, everywhere)
    return await client.request(operation.method, operation.url(seeded.ids), **request)


def _customer_values(seeded: SeededService) -> dict[str, Any]:
    """The values that a customer may send: not `customer_id`, since only staff order for others."""
    return {name: value for name, value in seeded.values.items() if name == "product_id"}


def _with(value: Any, forged: Mapping[str, Any], everywhere: bool) -> Any:
    if isinstance(value, list):
        return [_with(each, forged, everywhere) for each in value]
    if not isinstance(value, dict):
        return value
    below = {name: _with(each, forged, everywhere) for name, each in value.items()} if everywhere else value
    return {**forged, **below}
