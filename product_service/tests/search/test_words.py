"""Searches by words, phrases and characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product_service.search import queries
from product_service.search.conditions import Conditions
from product_service.search.schemas import Filters
from product_service.search.words import parse
from product_service.tests.conftest import MakeProduct, found, make_named
from service_kit.database import Statement
from tests.harness.service import Served

HOLDER, LANTERN, HEART = "White hanging heart T-light holder", "White hanging lantern", "Heart of white glass, hanging"
RED, BLUE, JAPANESE = "喜庆红色灯笼大号", "蓝色纸灯", "木製の赤いランタン（小）"
SEARCHES = {
    "lamp": ["ix_products_search_vector", "ix_products_search_text"],
    "lamp -red": ["ix_products_search_vector", "ix_products_search_text"],
    '"red lamp"': ["ix_products_search_vector"],
    "灯笼": ["ix_products_by_character"],
}


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
    await make_named(make_product, HOLDER, LANTERN, HEART)
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
    await make_named(make_product, RED, BLUE, JAPANESE, LANTERN)
    assert sorted(await found(service, q=q)) == sorted(expected)


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
            conditions = Conditions(await queries.criteria(tx, Filters(q=q)))
            explain = Statement(f"EXPLAIN SELECT id FROM products p WHERE {conditions.sql}")
            plan = await explain.fetch(tx, **conditions.values)
            assert all(index in "\n".join(row[0] for row in plan) for index in indexes), (q, plan)
