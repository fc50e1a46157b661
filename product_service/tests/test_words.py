"""Searches by words, phrases and characters, and the order of names."""

from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from product_service.products.jobs import fill_sort_keys
from product_service.products.sort_key import sort_key
from product_service.search import queries
from product_service.search.schemas import Filters
from product_service.search.words import parse
from product_service.tests.conftest import MakeProduct
from product_service.tests.test_search import found
from service_kit.database import Statement
from tests.harness.databases import new_database
from tests.harness.service import Caller, Served, serve

HOLDER, LANTERN, HEART = "White hanging heart T-light holder", "White hanging lantern", "Heart of white glass, hanging"
RED, BLUE, JAPANESE = "喜庆红色灯笼大号", "蓝色纸灯", "木製の赤いランタン（小）"
SEARCHES = {
    "lamp": ["ix_products_search_vector", "ix_products_search_text"],
    "lamp -red": ["ix_products_search_vector", "ix_products_search_text"],
    '"red lamp"': ["ix_products_search_vector"],
    "灯笼": ["ix_products_by_character"],
}
# In the order of the root of the Unicode collation.
SORTED = [
    "- dash", "1 lamp", "10 lamps", "2 lamps", "Aal", "Äal", "Apfel", "Åre", "café", "cafe au lait",
    "œuf", "Øl", "omega", "straße", "strasse 2", "Zebra", "Ωmega", "Ящик", "アリ", "いぬ", "灯笼",
]  # fmt: skip


async def names(make_product: MakeProduct, *wanted: str) -> None:
    for name in wanted:
        await make_product(name=name)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("hanging -heart", [LANTERN]),
        ("haging -hart", [HEART, LANTERN, HOLDER]),  # a misspelt word excludes nothing
        ("-heart", [LANTERN]),
        ("white -t-light", [HEART, LANTERN]),
        ('"hanging heart"', [HOLDER]),
        ('"white hanging"', [LANTERN, HOLDER]),
        ('"heart hanging"', []),
        ('hanging -"white hanging"', [HEART]),
        ("“hanging heart”", [HOLDER]),
        ('wite "hanging heart"', [HOLDER]),
        ("lantern or glass", [HEART, LANTERN]),
        ("hanging glass or lantern -white", [HEART]),
        ('"hanging heart', [HOLDER]),
        ('""', []),
        ("- -", []),
    ],
)
async def test_operators_must_be_met(service: Served, make_product: MakeProduct, q: str, expected: list[str]) -> None:
    await names(make_product, HOLDER, LANTERN, HEART)
    assert sorted(await found(service, q=q)) == sorted(expected)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("灯笼", [RED]),
        ("灯", [RED, BLUE]),
        ("红色", [RED]),
        ("色 灯", [RED, BLUE]),
        ("灯 -红", [BLUE]),
        ("笼灯", []),
        ("ランタン", [JAPANESE]),
        ("赤い", [JAPANESE]),
        ("ﾗﾝﾀﾝ", [JAPANESE]),
        ("Ｌａｎｔｅｒｎ", [LANTERN]),
        ("lantern 灯笼", []),
    ],
)
async def test_substrings_of_chinese_and_japanese_names_are_found(
    service: Served, make_product: MakeProduct, q: str, expected: list[str]
) -> None:
    await names(make_product, RED, BLUE, JAPANESE, LANTERN)
    assert sorted(await found(service, q=q)) == sorted(expected)


async def test_names_are_sorted_naturally_page_by_page(service: Served, make_product: MakeProduct) -> None:
    await names(make_product, *SORTED[::-2], *SORTED[1::2][::-1], *SORTED[:0])
    made = sorted(await found(service, limit=100))
    shown: list[str] = []
    params: dict[str, Any] = {"sort": "name", "limit": 4}
    while params.get("cursor", "") is not None:
        page = (await service.anonymous.get("/products", params=params)).json()
        shown += [item["name"] for item in page["items"]]
        params["cursor"] = page["next"]
    assert sorted(shown) == made
    assert shown == SORTED
    assert await found(service, sort="-name", limit=100) == SORTED[::-1]


async def test_a_renamed_product_is_sorted_by_its_new_name(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    made = await make_product(name="Zebra")
    await names(make_product, "Mouse")
    assert (await staff.patch(f"/products/{made['id']}", json={"name": "Äffchen"})).status_code == 200
    assert await found(service, sort="name") == ["Äffchen", "Mouse"]


@given(st.text(min_size=1, max_size=200))
def test_every_name_has_a_sort_key_that_fits_into_an_index(name: str) -> None:
    key = sort_key(name)
    assert key
    assert "\x00" not in key
    assert len(key.encode()) < 2000


def test_accents_and_case_decide_between_otherwise_equal_names() -> None:
    assert all(sort_key(a) < sort_key(b) for a, b in pairwise(SORTED))
    assert sort_key("Äpfel 1") < sort_key("Apfel 2") < sort_key("ÄPFEL 3")


async def test_missing_sort_keys_are_filled() -> None:
    url = new_database("product_service")
    insert = (
        "INSERT INTO products (id, sku, slug, name, attributes, price_amount, price_currency, status, version,"
        " created_at, updated_at) VALUES (gen_random_uuid(), $1, $1, $1, '{}', 1, 'GBP', 'active', 1, now(), now())"
    )
    connection = await asyncpg.connect(url)
    for name in ("Zebra", "Öl", "Äffchen"):
        await connection.execute(insert, name)
    await connection.close()
    async with serve("product_service", database_url=url) as service:
        await fill_sort_keys(service.runtime)
        assert await found(service, sort="name") == ["Äffchen", "Öl", "Zebra"]


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


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for(typed: str) -> None:
    search = parse(typed)
    assert all(term.text for term in search.terms)


async def test_searches_use_indexes(service: Served) -> None:
    """No kind of condition reads the whole table."""
    async with service.runtime.database.transaction() as tx:
        await queries.prepare(tx)
        await tx.execute("SET LOCAL enable_seqscan = off")
        await tx.execute("SET LOCAL enable_indexscan = off")
        await tx.execute("DROP INDEX ix_products_status_created_at, ix_products_status_sort_key")
        for q, indexes in SEARCHES.items():
            conditions = queries.Conditions(Filters(q=q))
            explain = Statement(f"EXPLAIN SELECT id FROM products p WHERE {conditions.sql}")
            plan = await explain.fetch(tx, **conditions.values)
            assert all(index in "\n".join(row[0] for row in plan) for index in indexes), (q, plan)
