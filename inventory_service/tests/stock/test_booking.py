"""Receipts, adjustments, the levels, and the ledger of movements."""

import asyncio
from datetime import date
from uuid import UUID, uuid4

import asyncpg
import pytest

from inventory_service.tests.inventory import Inventory, reservation
from service_kit.ids import uuid7


@pytest.mark.parametrize("amount", [-1, 2**63, 10**30])
async def test_a_cost_that_no_column_can_hold_is_rejected(inventory: Inventory, amount: int) -> None:
    product_id, warehouse_id = await inventory.stocked(1)
    line = {"product_id": str(product_id), "quantity": 1, "unit_cost": {"amount": amount, "currency": "GBP"}}
    answer = await inventory.staff.post("/stock/receipts", json={"warehouse_id": str(warehouse_id), "lines": [line]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "lines.0.unit_cost.amount")


async def test_a_receipt_stores_supplier_cost_batch_and_expiry(inventory: Inventory) -> None:
    tea, coffee, warehouse_id = await inventory.product(), await inventory.product(), await inventory.warehouse()
    supplier = (await inventory.staff.post("/suppliers", json={"name": "Hanford"})).json()
    lines = [
        {
            "product_id": str(tea),
            "quantity": 5,
            "unit_cost": {"amount": 140, "currency": "GBP"},
            "batch": "B-1",
            "expires_on": date(2030, 1, 31).isoformat(),
        },
        {"product_id": str(coffee), "quantity": 2, "unit_cost": None, "batch": None, "expires_on": None},
        {"product_id": str(tea), "quantity": 3, "unit_cost": None, "batch": "B-2", "expires_on": None},
    ]
    body = {"warehouse_id": str(warehouse_id), "supplier_id": supplier["id"], "lines": lines}
    answer = await inventory.staff.post("/stock/receipts", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["lines"] == lines
    assert (await inventory.staff.get(answer.headers["Location"])).json() == answer.json()
    listed = (await inventory.staff.get("/stock/receipts", params={"supplier_id": supplier["id"]})).json()["items"]
    assert [each["id"] for each in listed] == [answer.json()["id"]]
    assert await inventory.level(tea) == (8, 0)
    movements = (await inventory.staff.get("/stock/movements", params={"product_id": str(tea)})).json()["items"]
    assert sorted(each["quantity"] for each in movements) == [3, 5]
    assert {(each["kind"], each["receipt_id"]) for each in movements} == {("receipt", answer.json()["id"])}
    await inventory.check_books()


async def test_a_receipt_with_a_repeated_idempotency_key_is_booked_once(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.product(), await inventory.warehouse()
    body = {"warehouse_id": str(warehouse_id), "lines": [{"product_id": str(product_id), "quantity": 5}]}
    once = {"Idempotency-Key": "delivery-7"}
    answers = await asyncio.gather(
        *(inventory.staff.post("/stock/receipts", json=body, headers=once) for _ in range(10))
    )
    assert {(answer.status_code, answer.content, answer.headers["Location"]) for answer in answers} == {
        (201, answers[0].content, answers[0].headers["Location"])
    }
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await inventory.level(product_id) == (5, 0)

    body["lines"] = [{"product_id": str(product_id), "quantity": 6}]
    other = await inventory.staff.post("/stock/receipts", json=body, headers=once)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    unusable = await inventory.staff.post("/stock/receipts", json=body, headers={"Idempotency-Key": ""})
    assert (unusable.status_code, unusable.json()["type"]) == (400, "/problems/idempotency-key-missing")
    await inventory.check_books()


async def test_an_adjustment_with_a_repeated_idempotency_key_is_booked_once(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(10)
    body = {"product_id": str(product_id), "warehouse_id": str(warehouse_id), "quantity": -2, "reason": "broken"}
    for key in ("a", "a", "b"):
        answer = await inventory.staff.post("/stock/adjustments", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
    assert await inventory.level(product_id) == (6, 0)


async def test_stock_of_an_unknown_product_is_rejected_with_retry_after(inventory: Inventory) -> None:
    known, unknown, warehouse_id = await inventory.product(), uuid7(), await inventory.warehouse()
    body = {
        "warehouse_id": str(warehouse_id),
        "lines": [{"product_id": str(each), "quantity": 1} for each in (known, unknown)],
    }
    answer = await inventory.staff.post("/stock/receipts", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-unknown")
    assert answer.json()["product_ids"] == [str(unknown)]
    assert answer.headers["Retry-After"] == "1"
    assert await inventory.level(known) == (0, 0), "all lines or none"
    await inventory.product(product_id=unknown)
    assert (await inventory.staff.post("/stock/receipts", json=body)).status_code == 201


@pytest.mark.parametrize("missing", ["warehouse_id", "supplier_id"])
async def test_a_receipt_for_an_unknown_warehouse_or_supplier_is_not_found(inventory: Inventory, missing: str) -> None:
    product_id, warehouse_id = await inventory.product(), await inventory.warehouse()
    body = {"warehouse_id": str(warehouse_id), "lines": [{"product_id": str(product_id), "quantity": 1}]}
    answer = await inventory.staff.post("/stock/receipts", json={**body, missing: str(uuid4())})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert await inventory.level(product_id) == (0, 0)


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "many", 10**12])
async def test_a_receipt_takes_only_positive_integer_quantities(inventory: Inventory, quantity: object) -> None:
    body = {"warehouse_id": str(uuid4()), "lines": [{"product_id": str(uuid4()), "quantity": quantity}]}
    answer = await inventory.staff.post("/stock/receipts", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "lines.0.quantity"


async def _adjust(inventory: Inventory, product_id: UUID, warehouse_id: UUID, quantity: int) -> tuple[int, str | None]:
    place = {"product_id": str(product_id), "warehouse_id": str(warehouse_id)}
    body = {**place, "quantity": quantity, "reason": "count"}
    answer = await inventory.staff.post("/stock/adjustments", json=body)
    return answer.status_code, answer.json().get("type")


async def test_stock_cannot_be_adjusted_below_what_is_reserved(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(5)
    await inventory.deliver(reservation(uuid7(), [(product_id, 3)]))
    assert await _adjust(inventory, product_id, warehouse_id, -3) == (409, "/problems/below-reserved")
    assert await _adjust(inventory, product_id, warehouse_id, -2) == (201, None)
    assert await inventory.level(product_id) == (3, 3)
    assert await _adjust(inventory, product_id, warehouse_id, 4) == (201, None)
    assert await inventory.level(product_id) == (7, 3)
    await inventory.check_books()


async def test_an_adjustment_creates_stock_in_a_warehouse_that_had_none(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.product(), await inventory.warehouse()
    assert await _adjust(inventory, product_id, warehouse_id, -1) == (409, "/problems/below-reserved")
    assert await _adjust(inventory, product_id, warehouse_id, 2) == (201, None)
    assert await _adjust(inventory, uuid7(), warehouse_id, 2) == (409, "/problems/product-unknown")
    assert await _adjust(inventory, product_id, uuid7(), 2) == (404, "/problems/not-found")
    assert await inventory.level(product_id) == (2, 0)
    await inventory.check_books()


async def test_an_adjustment_is_a_movement_with_its_reason(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(5)
    body = {"product_id": str(product_id), "warehouse_id": str(warehouse_id), "quantity": -2, "reason": "broken"}
    answer = await inventory.staff.post("/stock/adjustments", json=body)
    found = (await inventory.staff.get(answer.headers["Location"])).json()
    assert {**found, **body} == found
    assert (found["kind"], found["booked_by"]) == ("adjustment", str(inventory.staff.user_id))
    assert (await inventory.staff.get(f"/stock/movements/{uuid4()}")).status_code == 404


async def test_movements_can_be_read_page_by_page(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(1)
    _, elsewhere = await inventory.stocked(1)
    for _ in range(4):
        await inventory.receive(warehouse_id, (product_id, 1))
    seen: list[str] = []
    query = {"product_id": str(product_id), "warehouse_id": str(warehouse_id), "limit": "2"}
    pages = 0
    while True:
        page = await inventory.staff.get("/stock/movements", params=query)
        seen += [each["id"] for each in page.json()["items"]]
        pages += 1
        if page.json()["next"] is None:
            break
        assert page.links["next"]["url"].startswith("/stock/movements?")
        query["cursor"] = page.json()["next"]
    assert (len(seen), len(set(seen)), pages) == (5, 5, 3)
    assert seen == sorted(seen, reverse=True)
    assert len((await inventory.staff.get("/stock/movements", params={"kind": "dispatch"})).json()["items"]) == 0
    assert (
        len((await inventory.staff.get("/stock/movements", params={"warehouse_id": str(elsewhere)})).json()["items"])
        == 1
    )
    assert (await inventory.staff.get("/stock/movements", params={"cursor": "nonsense"})).status_code == 400


@pytest.mark.parametrize("change", ["UPDATE stock_movements SET quantity = 9", "DELETE FROM stock_movements"])
async def test_the_ledger_is_append_only(inventory: Inventory, change: str) -> None:
    await inventory.stocked(5)
    async with inventory.runtime.database.connection() as hot:
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await hot.execute(change)


@pytest.mark.parametrize("change", ["reserved = on_hand + 1", "reserved = -1", "on_hand = -1, reserved = -1"])
async def test_the_database_rejects_overselling(inventory: Inventory, change: str) -> None:
    await inventory.stocked(5)
    async with inventory.runtime.database.connection() as hot:
        with pytest.raises(asyncpg.CheckViolationError):
            await hot.execute(f"UPDATE stock SET {change}")


async def test_stock_can_be_filtered_by_product_warehouse_and_availability(inventory: Inventory) -> None:
    plenty, warehouse_id = await inventory.stocked(50)
    few, _ = await inventory.stocked(4)
    await inventory.receive(warehouse_id, (few, 50))
    await inventory.deliver(reservation(uuid7(), [(plenty, 48)]))

    async def found(**query: object) -> list[tuple[str, int]]:
        items = (await inventory.staff.get("/stock", params={k: str(v) for k, v in query.items()})).json()["items"]
        return sorted((each["product_id"], each["available"]) for each in items)

    assert await found(product_id=few) == [(str(few), 4), (str(few), 50)]
    assert await found(warehouse_id=warehouse_id) == sorted([(str(plenty), 2), (str(few), 50)])
    assert await found(below=5) == sorted([(str(plenty), 2), (str(few), 4)])
    assert await found(below=5, warehouse_id=warehouse_id) == [(str(plenty), 2)]
    assert len(await found(limit=2)) == 2
