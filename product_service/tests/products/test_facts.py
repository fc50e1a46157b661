"""Brand, bar code, dimensions, ids in other systems and texts for search engines."""

import asyncio

import pytest

from product_service.tests.conftest import Json, MakeProduct
from tests.harness.service import Caller, Served

FACTS: Json = {
    "brand": "Lumière",
    "gtin": "5901234123457",
    "dimensions": {"length_mm": 120, "width_mm": 90, "height_mm": 140},
    "seo": {"title": "A heart of metal", "description": None},
}
OF_STAFF: Json = {"external_ids": {"erp": "4711", "old-shop": "A 12"}, "metadata": {"shelf": "B-12", "checked": True}}


async def test_facts_are_stored_changed_and_removed(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    made = await make_product(**FACTS, **OF_STAFF)
    path = f"/products/{made['id']}"
    assert {name: made[name] for name in FACTS | OF_STAFF} == FACTS | OF_STAFF
    public = (await service.anonymous.get(path)).json()
    assert {name: public[name] for name in FACTS} == FACTS
    assert [public[name] for name in OF_STAFF] == [None, None]
    changed = await staff.patch(path, json=dict.fromkeys(FACTS) | {"metadata": {}, "external_ids": {"erp": "1"}})
    assert [changed.json()[name] for name in FACTS] == [None] * 4
    assert (changed.json()["metadata"], changed.json()["external_ids"]) == ({}, {"erp": "1"})


@pytest.mark.parametrize("gtin", ["96385074", "036000291452", "4006381333931", "10012345678902", "4006381 333931"])
async def test_a_bar_code_of_each_length_is_accepted(make_product: MakeProduct, gtin: str) -> None:
    assert (await make_product(gtin=gtin))["gtin"] == gtin.replace(" ", "")


@pytest.mark.parametrize(
    "fields",
    [
        {"gtin": "4006381333932"},
        {"gtin": "12345"},
        {"gtin": "400638133393a"},
        {"dimensions": {"length_mm": 1, "width_mm": 1}},
        {"dimensions": {"length_mm": 0, "width_mm": 1, "height_mm": 1}},
        {"external_ids": {"Erp System": "1"}},
        {"seo": {"keywords": "x"}},
    ],
)
async def test_facts_without_sense_are_rejected(staff: Caller, make_product: MakeProduct, fields: Json) -> None:
    product = await make_product()
    assert (await staff.patch(f"/products/{product['id']}", json=fields)).status_code == 422


async def test_a_bar_code_belongs_to_one_product(staff: Caller, make_product: MakeProduct) -> None:
    first, second = await make_product(gtin=FACTS["gtin"]), await make_product()
    taken = await staff.patch(f"/products/{second['id']}", json={"gtin": FACTS["gtin"]})
    assert (taken.status_code, taken.json()["type"], taken.json()["product_id"]) == (
        409,
        "/problems/gtin-taken",
        first["id"],
    )
    body = {"sku": "X", "name": "X", "gtin": FACTS["gtin"], "price": {"amount": 1, "currency": "GBP"}}
    assert (await staff.post("/products", json=body)).json()["product_id"] == first["id"]


async def test_of_two_products_with_a_bar_code_at_once_one_has_it(staff: Caller, make_product: MakeProduct) -> None:
    products = [await make_product() for _ in range(4)]
    asked = (staff.patch(f"/products/{each['id']}", json={"gtin": FACTS["gtin"]}) for each in products)
    assert sorted(answer.status_code for answer in await asyncio.gather(*asked)) == [200, 409, 409, 409]
