"""Warehouses and suppliers, over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from inventory_service.tests.inventory import Inventory

PLACES = [
    ("/warehouses", {"code": "LON-1", "name": "London"}, "warehouse-in-use"),
    ("/suppliers", {"name": "Hanford", "email": "orders@hanford.example"}, "supplier-in-use"),
]


@pytest.mark.parametrize(("path", "body", "_"), PLACES)
async def test_a_record_is_created_read_changed_and_deleted(
    inventory: Inventory, path: str, body: dict[str, Any], _: str
) -> None:
    staff = inventory.staff
    made = await staff.post(path, json=body)
    assert made.status_code == 201, made.text
    at = made.headers["Location"]
    read = await staff.get(at)
    assert read.json() == made.json()
    assert {**read.json(), **body} == read.json()
    changed = await staff.patch(at, json={"name": "Another"}, headers={"If-Match": read.headers["ETag"]})
    assert (changed.json()["name"], changed.json()["version"]) == ("Another", 2)
    stale = {"If-Match": read.headers["ETag"]}
    assert (await staff.patch(at, json={"name": "Lost"}, headers=stale)).status_code == 412
    assert (await staff.delete(at, headers=stale)).status_code == 412
    assert (await staff.get(at)).json()["name"] == "Another"
    assert (await staff.delete(at, headers={"If-Match": changed.headers["ETag"]})).status_code == 204
    assert (await staff.get(at)).status_code == 404
    assert (await staff.patch(at, json={"name": "Late"})).status_code == 404


@pytest.mark.parametrize(("path", "body", "problem"), PLACES)
async def test_a_record_that_receipts_refer_to_cannot_be_deleted(
    inventory: Inventory, path: str, body: dict[str, Any], problem: str
) -> None:
    warehouse = (await inventory.staff.post("/warehouses", json=PLACES[0][1])).json()
    supplier = (await inventory.staff.post("/suppliers", json=PLACES[1][1])).json()
    product_id = await inventory.product()
    receipt = {
        "warehouse_id": warehouse["id"],
        "supplier_id": supplier["id"],
        "lines": [{"product_id": str(product_id), "quantity": 1}],
    }
    assert (await inventory.staff.post("/stock/receipts", json=receipt)).status_code == 201
    id = {"/warehouses": warehouse, "/suppliers": supplier}[path]["id"]
    answer = await inventory.staff.delete(f"{path}/{id}")
    assert (answer.status_code, answer.json()["type"]) == (409, f"/problems/{problem}")


async def test_two_warehouses_cannot_have_the_same_code(inventory: Inventory) -> None:
    first = await inventory.staff.post("/warehouses", json={"code": "A", "name": "One"})
    second = await inventory.staff.post("/warehouses", json={"code": "B", "name": "Two"})
    answer = await inventory.staff.post("/warehouses", json={"code": "A", "name": "Three"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/warehouse-code-taken")
    renamed = await inventory.staff.patch(second.headers["Location"], json={"code": "A"})
    assert (renamed.status_code, renamed.json()["type"]) == (409, "/problems/warehouse-code-taken")
    found = (await inventory.staff.get("/warehouses", params={"code": "A"})).json()["items"]
    assert found == [first.json()]


async def test_the_next_page_continues_after_the_last_row(inventory: Inventory) -> None:
    for name in ("Cole", "Abel", "Abel", "Bond"):
        await inventory.staff.post("/suppliers", json={"name": name})
    first = (await inventory.staff.get("/suppliers", params={"limit": 3})).json()
    second = (await inventory.staff.get("/suppliers", params={"limit": 3, "cursor": first["next"]})).json()
    assert [each["name"] for each in first["items"] + second["items"]] == ["Abel", "Abel", "Bond", "Cole"]
    assert second["next"] is None
    assert len((await inventory.staff.get("/suppliers", params={"name": "Abel"})).json()["items"]) == 2


async def test_a_patch_changes_only_the_fields_that_are_sent(inventory: Inventory) -> None:
    supplier = await inventory.staff.post(
        "/suppliers", json={"name": "Hanford", "email": "a@b.example", "phone": "123"}
    )
    at = supplier.headers["Location"]
    changed = (await inventory.staff.patch(at, json={"email": None})).json()
    assert (changed["name"], changed["email"], changed["phone"]) == ("Hanford", None, "123")
    assert (await inventory.staff.patch(at, json={"name": None})).status_code == 422
    assert (await inventory.staff.patch(at, json={"email": "no address"})).status_code == 422
    address = {"line1": "4 Dock Road", "city": "London", "country": "GB"}
    warehouse = await inventory.staff.post("/warehouses", json={"code": "A", "name": "One", "address": address})
    assert {**warehouse.json()["address"], **address} == warehouse.json()["address"]
    assert (await inventory.staff.post("/warehouses", json={"code": " ", "name": str(uuid4())})).status_code == 422
