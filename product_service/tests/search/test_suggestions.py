"""Suggestions while someone types."""

import asyncpg

from product_service.tests.conftest import Json, MakeCategory, MakeProduct, make_named
from product_service.tests.families.conftest import PRICE, MakeFamily
from product_service.vocabulary.jobs import collect_words
from tests.harness.plans import Statements, fill, sequential_scans
from tests.harness.service import Caller, Served


async def suggested(service: Served, q: str) -> Json:
    answer = await service.anonymous.get("/products/suggest", params={"q": q})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return {"texts": found["texts"]} | {
        kind: [each["name"] for each in found[kind]] for kind in ("products", "families", "categories")
    }


async def test_names_and_words_that_begin_alike(
    service: Served, staff: Caller, make_product: MakeProduct, make_category: MakeCategory, make_family: MakeFamily
) -> None:
    await make_named(make_product, "Red lantern", "Lantern of glass", "Laundry basket", "Crème brûlée dish")
    await make_product(name="Lantern, not on sale", status="draft")
    await make_category("Garden lanterns")
    family = await make_family(name="Paper lantern")
    await make_family(name="Lantern without products")
    body = {"sku": "P", "price": PRICE, "status": "active", "options": {"size": ["M"], "colour": ["red"]}}
    await staff.post(f"/families/{family['id']}/variants", json=body)
    await collect_words(service.runtime)
    assert await suggested(service, "lant") == {
        "texts": ["lantern"],
        "products": ["Lantern of glass", "Red lantern", "Paper lantern, red, M"],
        "families": ["Paper lantern"],
        "categories": ["Garden lanterns"],
    }
    assert (await suggested(service, "la"))["texts"] == ["lantern", "laundry"]
    assert (await suggested(service, "red la"))["products"] == ["Red lantern", "Paper lantern, red, M"]
    assert (await suggested(service, "red la"))["texts"] == ["red lantern", "red laundry"]
    assert (await suggested(service, "creme br"))["products"] == ["Crème brûlée dish"]
    for nothing in ("bicycle", "'", "%", "!!", "\\", "a:*&|", "lantern glass x"):
        assert (await suggested(service, nothing))["products"] == [], nothing


async def test_suggestions_within_chinese_and_japanese_names(
    service: Served, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    await make_named(make_product, "喜庆红色灯笼大号", "蓝色纸灯", "木製の赤いランタン（小）")
    await make_category("红色灯笼")
    assert sorted((await suggested(service, "灯"))["products"]) == sorted(["蓝色纸灯", "喜庆红色灯笼大号"])
    assert await suggested(service, "红色灯") == {
        "texts": [],
        "products": ["喜庆红色灯笼大号"],
        "families": [],
        "categories": ["红色灯笼"],
    }
    assert (await suggested(service, "赤いラン"))["products"] == ["木製の赤いランタン（小）"]


async def test_an_unchanged_suggestion_is_a_304(service: Served, make_product: MakeProduct) -> None:
    await make_named(make_product, "Red lantern")
    path = "/products/suggest?q=red"
    first = await service.anonymous.get(path)
    known = {"If-None-Match": first.headers["etag"]}
    assert (await service.anonymous.get(path, headers=known)).status_code == 304
    await make_named(make_product, "Red lamp")
    assert (await service.anonymous.get(path, headers=known)).status_code == 200


async def test_suggestions_use_indexes(statements: Statements, service: Served) -> None:
    connection = await asyncpg.connect(service.database_url)
    await fill(connection, "products", columns={"status": "'active'", "name": "'word' || n", "sort_key": "'word' || n"})
    await fill(connection, "categories", columns={"name": "'word' || n"})
    await fill(connection, "families", columns={"name": "'word' || n"})
    await fill(connection, "search_words", columns={"word": "'word' || n"})
    statements.clear()
    for q in ("word12", "word1 wor", "灯"):
        assert (await service.anonymous.get("/products/suggest", params={"q": q})).status_code == 200
    await connection.execute("SET enable_seqscan = off")  # as on the connections of the service
    assert len(statements) >= 3
    assert await sequential_scans(connection, statements) == {}
    await connection.execute("DROP INDEX ix_products_search_vector, ix_categories_words")
    assert set(await sequential_scans(connection, statements)) == {"products", "categories"}, "it sees missing indexes"
    await connection.close()
