"""Filters and facets by attribute, option and brand."""

from typing import Any

import httpx
import pytest

from product_service.tests.conftest import Json, MakeProduct, found
from product_service.tests.families.conftest import MakeFamily
from tests.harness.service import Caller, Served

ATTRIBUTES = (
    {"name": "colour", "kind": "text", "position": 1, "labels": {"en": "Colour"}},
    {"name": "height_mm", "kind": "number", "unit": "mm", "position": 2},
    {"name": "washable", "kind": "boolean", "position": 3},
    {"name": "supplier", "kind": "text", "facet": False},
)
GOODS: dict[str, Json] = {
    "A": {"brand": "Lumière", "attributes": {"colour": "white", "height_mm": 100, "washable": True}},
    "B": {"brand": "Lumière", "attributes": {"colour": "blue", "height_mm": 150.5, "washable": False}},
    "C": {"brand": "Nord", "attributes": {"colour": "blue", "height_mm": 200, "supplier": "X", "material": "wood"}},
    "D": {"attributes": {"colour": 7, "height_mm": "tall"}},
}


@pytest.fixture
async def goods(staff: Caller, make_product: MakeProduct) -> None:
    for attribute in ATTRIBUTES:
        assert (await staff.post("/attributes", json=attribute)).status_code == 201
    for name, fields in GOODS.items():
        await make_product(name=name, **fields)


async def facets(service: Served, **asked: Any) -> Json:
    answer = await service.anonymous.get("/products", params={"facets": True, **asked})
    assert answer.status_code == 200, answer.text
    counted: Json = answer.json()["facets"]
    return counted


def values(facet: Json) -> dict[Any, int]:
    return {each["value"]: each["count"] for each in facet["values"]}


def by_name(facets: list[Json]) -> dict[str, Json]:
    return {facet["name"]: facet for facet in facets}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"attr": "colour:blue"}, "BC"),
        ({"attr": ["colour:blue", "colour:white"]}, "ABC"),
        ({"attr": ["colour:blue", "height_mm:200"]}, "C"),
        ({"attr": "height_mm:100..150.5"}, "AB"),
        ({"attr": "height_mm:150.6.."}, "C"),
        ({"attr": "height_mm:..100"}, "A"),
        ({"attr": ["height_mm:..100", "height_mm:200"]}, "AC"),
        ({"attr": "washable:true"}, "A"),
        ({"attr": "supplier:X"}, "C"),
        ({"brand": "Nord"}, "C"),
        ({"brand": ["Nord", "Lumière"], "attr": "colour:blue"}, "BC"),
        ({"attr": "colour:BLUE"}, ""),
    ],
)
@pytest.mark.usefixtures("goods")
async def test_products_are_filtered_by_attribute_and_brand(service: Served, asked: Json, expected: str) -> None:
    assert await found(service, sort="name", **asked) == list(expected)


@pytest.mark.usefixtures("goods")
async def test_facets_count_the_found_products_in_the_registrys_order(service: Served) -> None:
    counted = await facets(service)
    assert [facet["name"] for facet in counted["attributes"]] == ["colour", "height_mm", "washable"]
    colour, height, washable = counted["attributes"]
    assert (values(colour), colour["labels"], colour["min"]) == ({"blue": 2, "white": 1}, {"en": "Colour"}, None)
    assert values(height) == {100: 1, 150.5: 1, 200: 1}, "a value of another kind is not counted"
    assert (height["unit"], height["min"], height["max"]) == ("mm", 100, 200)
    assert values(washable) == {True: 1, False: 1}
    assert counted["brands"] == [{"brand": "Lumière", "count": 2}, {"brand": "Nord", "count": 1}]


@pytest.mark.usefixtures("goods")
async def test_a_facet_shows_the_alternatives_to_its_own_filter(service: Served) -> None:
    counted = await facets(service, attr="colour:white")
    attributes = by_name(counted["attributes"])
    assert counted["count"] == 1
    assert values(attributes["colour"]) == {"blue": 2, "white": 1}
    assert values(attributes["height_mm"]) == {100: 1}
    assert counted["brands"] == [{"brand": "Lumière", "count": 1}]

    counted = await facets(service, attr="colour:blue", brand="Lumière")
    attributes = by_name(counted["attributes"])
    assert counted["count"] == 1
    assert values(attributes["colour"]) == {"blue": 1, "white": 1}
    assert counted["brands"] == [{"brand": "Lumière", "count": 1}, {"brand": "Nord", "count": 1}]
    assert values(attributes["height_mm"]) == {150.5: 1}


async def test_a_facet_has_twenty_values_at_most(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    await staff.post("/attributes", json={"name": "length", "kind": "number"})
    for length in range(23):
        await make_product(attributes={"length": length})
    await make_product(attributes={"length": 22})
    [facet] = (await facets(service))["attributes"]
    assert (len(facet["values"]), facet["values"][0]) == (20, {"value": 22, "count": 2})
    assert (facet["min"], facet["max"]) == (0, 22)


async def test_options_of_families_are_filters_and_facets(
    service: Served, staff: Caller, make_family: MakeFamily
) -> None:
    family = await make_family()
    body = {"sku": "APRON", "price": {"amount": 1, "currency": "GBP"}, "status": "active"}
    await staff.post(f"/families/{family['id']}/variants", json={**body, "options": {"colour": ["blue", "red"]}})
    asked = {"option": ["size:M", "size:L", "colour:red"]}
    assert await found(service, sort="name", **asked) == ["Apron, red, L", "Apron, red, M"]
    options = by_name((await facets(service, **asked))["options"])
    assert values(options["size"]) == {"S": 1, "M": 1, "L": 1, "XL": 1}
    assert values(options["colour"]) == {"blue": 2, "red": 2}
    assert await found(service, family_id=family["id"], option="size:XL", sort="name") == [
        "Apron, blue, XL",
        "Apron, red, XL",
    ]


@pytest.mark.parametrize(
    ("asked", "type"),
    [
        ({"attr": "material:wood"}, "attribute-not-listed"),
        ({"attr": "colour"}, "filter-unreadable"),
        ({"attr": "colour:"}, "filter-unreadable"),
        ({"attr": "height_mm:tall"}, "filter-unreadable"),
        ({"attr": "height_mm:.."}, "filter-unreadable"),
        ({"attr": "height_mm:1..x"}, "filter-unreadable"),
        ({"attr": "height_mm:NaN"}, "filter-unreadable"),
        ({"attr": "washable:yes"}, "filter-unreadable"),
        ({"option": "M"}, "filter-unreadable"),
    ],
)
@pytest.mark.usefixtures("goods")
async def test_filters_that_cannot_be_read_are_rejected(service: Served, asked: Json, type: str) -> None:
    answer = await service.anonymous.get("/products", params=asked)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{type}")


async def test_products_are_found_by_their_ids_elsewhere(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    await make_product(name="A", gtin="5901234123457", external_ids={"erp": "47=11"})
    await make_product(name="B", external_ids={"erp": "4712", "shop": "47=11"})
    assert await found(service, gtin="5901234123457") == ["A"]

    async def by_id(caller: Any, *ids: str) -> httpx.Response:
        answer: httpx.Response = await caller.get("/products", params={"external_id": ids, "sort": "name"})
        return answer

    assert [item["name"] for item in (await by_id(staff, "erp=47=11")).json()["items"]] == ["A"]
    assert [item["name"] for item in (await by_id(staff, "erp=4712", "erp=47=11")).json()["items"]] == ["A", "B"]
    assert (await by_id(staff, "4711")).status_code == 422
    assert (await by_id(service.anonymous, "erp=4712")).status_code == 401
    assert (await by_id(service.caller(), "erp=4712")).status_code == 403
