"""Lists that show one product of each family."""

from typing import Any

import pytest

from product_service.tests.conftest import Json, MakeProduct
from product_service.tests.families.conftest import MakeFamily
from tests.harness.service import Caller, Served

SORTS = ("relevance", "-created_at", "created_at", "name", "-name", "price", "-price")


async def listed(service: Served, **asked: Any) -> list[Json]:
    """All items of all pages of a collapsed list."""
    params, found = {"collapse": "family", "limit": 2, **asked}, []
    while True:
        answer = await service.anonymous.get("/products", params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        params["cursor"] = answer.json()["next"]


@pytest.fixture
async def families(staff: Caller, make_family: MakeFamily, make_product: MakeProduct) -> list[Json]:
    """Two families with twelve products each, the blue ones of which cost more, and three products without one."""
    made = [await make_family(name=f"Linen apron {number}") for number in range(2)]
    for number, family in enumerate(made):
        for colour, amount in (("blue", 1500 + number), ("white", 1200 + number), ("red", 1300 + number)):
            body = {"sku": f"A{number}", "price": {"amount": amount, "currency": "GBP"}, "status": "active"}
            await staff.post(f"/families/{family['id']}/variants", json={**body, "options": {"colour": [colour]}})
    for number in range(3):
        await make_product(name=f"Linen towel {number}", price={"amount": 1100 + 100 * number, "currency": "GBP"})
    return made


@pytest.mark.parametrize(("sort", "q"), [*((sort, "linen") for sort in SORTS), *((sort, None) for sort in SORTS[1:])])
async def test_the_first_product_in_the_lists_order_stands_for_its_family(
    service: Served, families: list[Json], sort: str, q: str | None
) -> None:
    asked: Json = {"sort": sort, "currency": "GBP", **({"q": q} if q else {})}
    every = (await service.anonymous.get("/products", params={"limit": 100, **asked})).json()["items"]
    expected, seen = [], set()
    for item in every:
        if (shown := item["family_id"] or item["id"]) not in seen:
            expected.append(item["id"])
            seen.add(shown)
    collapsed = await listed(service, **asked)
    assert (len(every), len(collapsed)) == (27, 5)
    assert [item["id"] for item in collapsed] == expected
    summaries = {item["family_id"]: item["family"] for item in collapsed}
    assert summaries.pop(None) is None
    for number, family in enumerate(families):
        assert summaries[family["id"]] == {
            **{name: family[name] for name in ("id", "name", "slug")},
            "variants": 12,
            "price_from": {"amount": 1200 + number, "currency": "GBP"},
        }
    assert all(item["family"] is None for item in every)


async def test_only_what_was_found_is_summarised(service: Served, families: list[Json]) -> None:
    [first, _] = await listed(service, option=["colour:red", "size:M", "size:L"], sort="name")
    assert first["name"] == "Linen apron 0, red, L"
    assert first["family"]["variants"] == 2
    assert first["family"]["price_from"] == {"amount": 1300, "currency": "GBP"}
    dear = await listed(service, min_price=1400, currency="GBP", sort="name")
    assert [item["family"] and item["family"]["variants"] for item in dear] == [4, 4]


async def test_a_family_in_two_currencies_has_no_lowest_price(
    service: Served, staff: Caller, families: list[Json]
) -> None:
    [first, *_] = await listed(service, option="colour:red", sort="name")
    await staff.patch(f"/products/{first['id']}", json={"price": {"amount": 1, "currency": "EUR"}})
    [first, *_] = await listed(service, option="colour:red", sort="name")
    assert (first["family"]["variants"], first["family"]["price_from"]) == (4, None)


async def test_facets_count_what_is_shown(service: Served, families: list[Json]) -> None:
    asked: Json = {"q": "linen", "facets": True}
    every = (await service.anonymous.get("/products", params=asked)).json()["facets"]
    collapsed = (await service.anonymous.get("/products", params={**asked, "collapse": "family"})).json()["facets"]
    assert (every["count"], collapsed["count"]) == (27, 5)
    [colours, _] = collapsed["options"]
    assert {each["value"]: each["count"] for each in colours["values"]} == {"blue": 2, "red": 2, "white": 2}
