"""Families and their products over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.events.products import ProductChanged
from product_service.families.schemas import FamilyPage
from product_service.tests.conftest import MakeCategory, MakeProduct
from product_service.tests.families.conftest import OPTIONS, PRICE, Json, MakeFamily
from tests.harness.service import Caller, Served

BLUE_M = {"colour": "blue", "size": "M"}


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def variants(staff: Caller, family: Json, **fields: Any) -> httpx.Response:
    body = {"sku": "APRON", "price": PRICE, "status": "active", **fields}
    return await staff.post(f"/families/{family['id']}/variants", json=body)


async def test_a_product_is_created_for_each_combination_once(staff: Caller, make_family: MakeFamily) -> None:
    family = await make_family()
    first = (await variants(staff, family)).json()
    assert (len(first["created"]), first["existing"]) == (12, 0)
    again = (await variants(staff, family)).json()
    assert (again["created"], again["existing"]) == ([], 12)
    shown = FamilyPage.model_validate_json((await staff.get(f"/families/{family['id']}")).content)
    assert [each.id for each in shown.variants] == sorted(each.id for each in shown.variants)
    assert {(each.options["colour"], each.options["size"]) for each in shown.variants} == {
        (colour, size) for colour in OPTIONS[0]["values"] for size in OPTIONS[1]["values"]
    }
    assert (shown.variants[1].sku, shown.variants[1].name) == ("APRON-BLUE-M", "Apron, blue, M")


async def test_only_the_combinations_that_are_asked_for(staff: Caller, make_family: MakeFamily) -> None:
    family = await make_family()
    some = (await variants(staff, family, options={"size": ["M", "L"], "colour": ["red"]})).json()
    assert len(some["created"]) == 2
    rest = (await variants(staff, family)).json()
    assert (len(rest["created"]), rest["existing"]) == (10, 2)
    assert kind(await variants(staff, family, options={"size": ["XXL"]})) == (409, "option-unknown")
    assert kind(await variants(staff, family, options={"fabric": ["linen"]})) == (409, "option-unknown")


async def test_values_without_ascii_letters_are_numbered_in_skus(staff: Caller, make_family: MakeFamily) -> None:
    family = await make_family(name="前掛け", options=[{"name": "色", "values": ["青", "白"]}])
    assert family["slug"]
    [_, second] = (await variants(staff, family)).json()["created"]
    assert (await staff.get(f"/products/{second}")).json()["sku"] == "APRON-2"


async def test_a_family_is_shown_with_prices_once_a_product_is_on_sale(
    service: Served, staff: Caller, make_family: MakeFamily
) -> None:
    family = await make_family()
    path, anyone = f"/families/{family['id']}", service.anonymous
    created = (await variants(staff, family, status="draft", options={"size": ["M"]})).json()["created"]
    assert (await anyone.get(path)).status_code == 404
    assert (await anyone.get("/families/by-slug/apron")).status_code == 404
    assert len((await staff.get(path)).json()["variants"]) == 3

    await staff.patch(f"/products/{created[0]}", json={"status": "active"})
    cheap = {"status": "active", "price": {"amount": 1500, "currency": "GBP"}}
    await staff.patch(f"/products/{created[1]}", json=cheap)
    await staff.post(f"/products/{created[0]}/prices", json={"amount": 1200, "currency": "GBP"})
    answer = await anyone.get(path)
    shown = FamilyPage.model_validate_json(answer.content)
    assert shown.price_from is not None
    assert (shown.price_from.amount, shown.price_from.currency) == (1200, "GBP")
    assert [each.unit_price and each.unit_price.amount for each in shown.variants] == [1200, 1500]
    assert (await anyone.get("/families/by-slug/apron")).json() == answer.json()
    assert (await anyone.get(path, params={"currency": "EUR"})).json()["price_from"] is None

    known = {"If-None-Match": answer.headers["etag"]}
    assert (await anyone.get(path, headers=known)).status_code == 304
    await staff.patch(f"/products/{created[1]}", json={"price": {"amount": 1400, "currency": "GBP"}})
    assert (await anyone.get(path, headers=known)).status_code == 200, "the price of one product changed"


async def test_a_product_joins_and_leaves_a_family(
    service: Served, staff: Caller, make_family: MakeFamily, make_product: MakeProduct
) -> None:
    family, product = await make_family(), await make_product()
    path = f"/products/{product['id']}"
    joined = await staff.patch(path, json={"family_id": family["id"], "options": BLUE_M})
    assert (joined.json()["family_id"], joined.json()["options"]) == (family["id"], BLUE_M)
    event = (await service.events(ProductChanged))[-1]
    assert str(event.family_id) == family["id"]
    other = {"options": {"colour": "red", "size": "M"}}
    assert (await staff.patch(path, json=other)).json()["options"] == other["options"]
    left = await staff.patch(path, json={"family_id": None})
    assert (left.json()["family_id"], left.json()["options"]) == (None, {})
    assert (await service.events(ProductChanged))[-1].family_id is None


@pytest.mark.parametrize(
    ("fields", "type"),
    [
        ({"options": {"colour": "blue"}}, "option-unknown"),
        ({"options": {**BLUE_M, "fabric": "linen"}}, "option-unknown"),
        ({"options": {"colour": "green", "size": "M"}}, "option-unknown"),
        ({"options": {}}, "option-unknown"),
        ({"options": BLUE_M}, "variant-exists"),
        ({"options": BLUE_M, "family_id": str(uuid4())}, "family-unknown"),
        ({"options": BLUE_M, "family_id": None}, "option-unknown"),
    ],
)
async def test_what_does_not_fit_the_family_is_rejected(
    staff: Caller, make_family: MakeFamily, make_product: MakeProduct, fields: Json, type: str
) -> None:
    family = await make_family()
    await make_product(family_id=family["id"], options=BLUE_M)
    body = {"sku": "A", "name": "Apron", "price": PRICE, "family_id": family["id"], **fields}
    assert kind(await staff.post("/products", json=body)) == (409, type)
    product = await make_product()
    change = {name: body[name] for name in ("family_id", "options")}
    assert kind(await staff.patch(f"/products/{product['id']}", json=change)) == (409, type)


async def test_two_requests_for_one_combination_create_one_product(staff: Caller, make_family: MakeFamily) -> None:
    for _ in range(5):
        family = await make_family()
        body = {"name": "Apron", "price": PRICE, "family_id": family["id"], "options": BLUE_M}
        asked = (staff.post("/products", json={**body, "sku": f"{uuid4()}"}) for _ in range(4))
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        [made] = [answer.json()["id"] for answer in answers if answer.is_success]
        for answer in answers:
            if not answer.is_success:
                assert kind(answer) == (409, "variant-exists")
                assert answer.json()["product_id"] == made


async def test_a_family_has_two_hundred_products_at_most(
    staff: Caller, make_family: MakeFamily, make_product: MakeProduct
) -> None:
    many = [
        {"name": "length", "values": [f"{n} m" for n in range(40)]},
        {"name": "colour", "values": [f"colour {n}" for n in range(5)]},
    ]
    whole = await make_family(options=many)
    assert len((await variants(staff, whole)).json()["created"]) == 200
    more = {"options": [{**many[0], "values": [*many[0]["values"], "41 m"]}, many[1]]}
    assert (await staff.patch(f"/families/{whole['id']}", json=more)).is_success
    assert kind(await variants(staff, whole)) == (409, "too-many-variants")
    joining = {"family_id": whole["id"], "options": {"length": "41 m", "colour": "colour 0"}}
    product = await make_product()
    assert kind(await staff.patch(f"/products/{product['id']}", json=joining)) == (409, "too-many-variants")


async def test_options_change_as_long_as_the_products_fit(
    staff: Caller, make_family: MakeFamily, make_product: MakeProduct
) -> None:
    family = await make_family()
    path = f"/families/{family['id']}"
    product = await make_product(family_id=family["id"], options=BLUE_M)
    fewer = [{"name": "size", "values": ["L", "M"]}, {"name": "colour", "values": ["blue"]}]
    changed = await staff.patch(path, json={"options": fewer, "name": "Linen apron"})
    assert changed.json()["options"] == fewer
    assert (changed.json()["slug"], changed.json()["version"]) == ("apron", 2)
    for options in ([{"name": "size", "values": ["M"]}], [fewer[0], {"name": "colour", "values": ["red"]}]):
        rejected = await staff.patch(path, json={"options": options})
        assert kind(rejected) == (409, "options-in-use")
        assert rejected.json()["product_ids"] == [product["id"]]
    lost = await staff.patch(path, json={"name": "Mine"}, headers={"If-Match": '"1"'})
    assert lost.status_code == 412


async def test_a_family_with_products_and_a_category_with_families_stay(
    staff: Caller, make_family: MakeFamily, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    category = await make_category("Kitchen")
    family = await make_family(category_id=category["id"])
    product = await make_product(family_id=family["id"], options=BLUE_M)
    assert kind(await staff.delete(f"/families/{family['id']}")) == (409, "family-not-empty")
    assert kind(await staff.delete(f"/categories/{category['id']}")) == (409, "category-not-empty")
    await staff.patch(f"/products/{product['id']}", json={"family_id": None})
    assert (await staff.delete(f"/families/{family['id']}")).status_code == 204
    assert (await staff.delete(f"/categories/{category['id']}")).status_code == 204
    assert (await staff.get(f"/families/{family['id']}")).status_code == 404


async def test_families_of_one_name_have_different_slugs_and_are_listed(
    service: Served, staff: Caller, make_family: MakeFamily
) -> None:
    made = [await make_family(), await make_family()]
    assert made[0]["slug"] == "apron"
    assert made[1]["slug"].startswith("apron-")
    listed = (await staff.get("/families")).json()["items"]
    assert [each["id"] for each in listed] == [each["id"] for each in made]
    assert (await service.anonymous.get("/families")).status_code == 401


@pytest.mark.parametrize(
    "options",
    [
        [],
        [{"name": "size", "values": []}],
        [{"name": "size", "values": ["M", "M"]}],
        [{"name": "size", "values": ["M"]}, {"name": "size", "values": ["L"]}],
        [{"name": " ", "values": ["M"]}],
    ],
)
async def test_options_without_sense_are_rejected(staff: Caller, options: list[Json]) -> None:
    assert (await staff.post("/families", json={"name": "Apron", "options": options})).status_code == 422
