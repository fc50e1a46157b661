"""Lists of products: search, filters, sorting and pages."""

from typing import Any
from uuid import UUID

import pytest

from contracts.events.stock_levels import StockChanged
from product_service.price_rules.consumers import on_stock_changed
from product_service.tests.conftest import Json, MakeCategory, MakeProduct, found
from tests.harness.service import Caller, Served


@pytest.mark.parametrize(
    "q",
    [
        "white hanging heart",
        "haging hart",
        "wite",
        "HANGING holder",
        "holders",
        "85123A",
        "85123a",
        "t-light",
        "painted metal",
        "white -lantern",
        "creme",
        "Crème",
    ],
)
async def test_words_and_their_misspellings_are_found(service: Served, make_product: MakeProduct, q: str) -> None:
    holder = "White hanging heart T-light holder crème"
    await make_product(sku="85123A", name=holder, description="Of painted metal")
    await make_product(sku="71053", name="Red lantern")
    assert await found(service, q=q) == [holder]


@pytest.mark.parametrize("q", ["bicycle", "-", "'\"", "%", "\\", "!!", "a:*&|", "x" * 200])
async def test_unrelated_and_odd_searches_find_nothing(service: Served, make_product: MakeProduct, q: str) -> None:
    await make_product(name="White hanging heart")
    assert await found(service, q=q) == []


async def test_matches_in_names_rank_before_matches_in_descriptions(service: Served, make_product: MakeProduct) -> None:
    await make_product(name="Candle", description="Goes with a lantern")
    await make_product(name="Lantern")
    await make_product(name="Shade", description="Goes with a lantern")
    assert (await found(service, q="lantern"))[0] == "Lantern"


async def test_a_category_includes_its_descendants(
    service: Served, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    home = await make_category("Home")
    lights = await make_category("Lights", home)
    garden = await make_category("Garden")
    for name, category in (("In home", home), ("In lights", lights), ("In garden", garden)):
        await make_product(name=name, category_id=category["id"])
    assert await found(service, category_id=home["id"], sort="name") == ["In home", "In lights"]
    assert await found(service, category_id=lights["id"]) == ["In lights"]


async def test_filters_by_sku_price_and_stock(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    made: list[Json] = []
    for name, amount in (("A", 100), ("B", 200), ("C", 300)):
        made.append(await make_product(sku=name, name=name, price={"amount": amount, "currency": "GBP"}))
    await staff.post(f"/products/{made[2]['id']}/prices", json={"amount": 150, "currency": "GBP"})
    level = {"on_hand": 1, "reserved": 0, "available": 1, "warehouses": [], "version": 1}
    async with service.runtime.database.transaction() as tx:
        await on_stock_changed(tx, [StockChanged(product_id=UUID(made[0]["id"]), **level)])
    assert await found(service, sku=["A", "C", "Z"], sort="name") == ["A", "C"]
    assert await found(service, min_price=150, sort="price", currency="GBP") == ["C", "B"], "C costs 150 now"
    assert await found(service, max_price=150, sort="-price", currency="GBP") == ["C", "A"]
    assert await found(service, min_price=1, currency="EUR") == []
    assert await found(service, in_stock=True) == ["A"]
    assert await found(service, in_stock=False, sort="name") == ["B", "C"]


async def test_facets_count_all_that_was_found(
    service: Served, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    lights, garden = await make_category("Lights"), await make_category("Garden")
    for number, category in enumerate((lights, lights, garden)):
        price = {"amount": 100 * (number + 1), "currency": "GBP"}
        await make_product(name=f"Lamp {number}", category_id=category["id"], price=price)
    await make_product(name="Other")
    answer = await service.anonymous.get("/products", params={"q": "lamp", "facets": True, "limit": 1})
    body = answer.json()
    assert len(body["items"]) == 1
    assert (body["facets"]["count"], body["facets"]["in_stock"]) == (3, 0)
    assert [(each["name"], each["count"]) for each in body["facets"]["categories"]] == [("Lights", 2), ("Garden", 1)]
    assert body["facets"]["prices"] == [{"currency": "GBP", "min": 100, "max": 300}]
    assert (await service.anonymous.get("/products")).json()["facets"] is None


@pytest.mark.parametrize("sort", ["relevance", "-created_at", "created_at", "name", "-name", "price", "-price"])
async def test_pages_show_each_product_once_while_others_are_added(
    service: Served, make_product: MakeProduct, sort: str
) -> None:
    """Products of equal name and price are sorted by id."""
    here = {(await make_product(name=f"Lamp {n // 3}", price=_gbp(100 + n // 4)))["id"] for n in range(11)}
    params: dict[str, Any] = {"sort": sort, "limit": 3, "q": "lamp", "currency": "GBP"}
    seen: list[str] = []
    while True:
        answer = await service.anonymous.get("/products", params=params)
        body = answer.json()
        seen += [item["id"] for item in body["items"]]
        if body["next"] is None:
            assert "link" not in answer.headers
            break
        assert answer.links["next"]["url"].startswith("/products?")
        params["cursor"] = body["next"]
        await make_product(name="Lamp 1", price=_gbp(101))
    assert len(seen) == len(set(seen))
    assert here <= set(seen)


async def test_a_cursor_of_another_list_is_rejected(service: Served, make_product: MakeProduct) -> None:
    for _ in range(2):
        await make_product()
    first = (await service.anonymous.get("/products", params={"limit": 1, "sort": "name"})).json()
    for cursor, sort in ((first["next"], "price"), ("nonsense", "name"), ("W10", "name"), (first["next"], "-name")):
        params = {"cursor": cursor, "sort": sort, "currency": "GBP"}
        answer = await service.anonymous.get("/products", params=params)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-cursor"), sort
    assert (await service.anonymous.get("/products", params={"sort": "relevance"})).status_code == 400


@pytest.mark.parametrize("asked", [{"sort": "price"}, {"sort": "-price"}, {"min_price": 1}, {"max_price": 9}])
async def test_prices_are_compared_in_one_currency(
    service: Served, make_product: MakeProduct, asked: dict[str, Any]
) -> None:
    await make_product(name="A", price={"amount": 5, "currency": "GBP"})
    await make_product(name="B", price={"amount": 4, "currency": "EUR"})
    answer = await service.anonymous.get("/products", params=asked)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/currency-needed")
    assert all(name in answer.json()["detail"] for name in asked if name != "sort")
    assert await found(service, currency="GBP", **asked) == ["A"]
    assert await found(service, currency="EUR", **asked) == ["B"]


def _gbp(amount: int) -> Json:
    return {"amount": amount, "currency": "GBP"}
