"""Addresses and currencies that were stored before the present validation rules can still be read."""

import json
from uuid import UUID

import pytest

from contracts.events.inventory_deduction import FulfilmentRequested
from service_kit.ids import uuid7
from tests.security.seeded_service import SeededService, seeded_service

ODD = {"name": "A\u200bda", "line1": " ", "line2": "a\nb", "city": "", "postal_code": "  ", "country": "UK"}
ADDRESS = """
INSERT INTO addresses (id, account_id, name, line1, line2, city, postal_code, country, version, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, now())
"""
CHANGES = {
    "inventory": ["UPDATE shipments SET ship_to = $1::jsonb", "UPDATE warehouses SET address = $1::jsonb"],
    "order": ["UPDATE orders SET ship_to = $1::jsonb"],
    "user": [],
}
CURRENCIES = {
    "inventory": ["UPDATE stock_receipt_lines SET currency = 'ABC' WHERE currency IS NOT NULL"],
    "order": ["UPDATE orders SET currency = 'ABC'", "UPDATE payments SET currency = 'ABC'"],
    "user": [],
}
SHOWING = {"inventory": 3, "order": 2, "user": 2}


@pytest.mark.parametrize("service", CHANGES)
async def test_every_read_of_a_stored_address_succeeds(service: str) -> None:
    async with seeded_service(service) as seeded:
        statuses = await _reads(seeded)
        async with seeded.served.runtime.database.connection() as connection:
            for statement in CHANGES[service]:
                await connection.execute(statement, json.dumps(ODD))
            for statement in CURRENCIES[service]:
                await connection.execute(statement)
            if service == "user":
                await connection.execute(ADDRESS, uuid7(), seeded.owner, *ODD.values())
        assert {path: status for path, (status, _) in (await _reads(seeded)).items()} == {
            path: status for path, (status, _) in statuses.items()
        }
        showing = [path for path, (_, text) in (await _reads(seeded)).items() if '"UK"' in text]
        assert len(showing) >= SHOWING[service], showing


async def _reads(seeded: SeededService) -> dict[str, tuple[int, str]]:
    found = {}
    for operation in seeded.operations:
        if operation.method == "get" and operation.path != "/metrics":
            client = seeded.as_owner if operation.is_ones_own else seeded.admin
            answer = await client.get(operation.url(seeded.ids))
            found[operation.path] = (answer.status_code, answer.text.replace(" ", ""))
    return found


def test_an_event_with_a_stored_address_is_read() -> None:
    body = {
        "order_id": str(UUID(int=1)), "user_id": str(UUID(int=2)), "number": "1", "version": 3, "ship_to": ODD,
        "lines": [{"product_id": str(UUID(int=3)), "quantity": 1}],
    }  # fmt: skip
    event = FulfilmentRequested.model_validate_json(json.dumps(body))
    assert event.ship_to.model_dump(exclude_none=True) == ODD
