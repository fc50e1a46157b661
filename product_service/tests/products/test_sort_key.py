"""The order of names in lists."""

from itertools import pairwise
from typing import Any

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from product_service.products.jobs import fill_sort_keys
from product_service.products.sort_key import sort_key
from product_service.tests.conftest import MakeProduct, found, make_named
from tests.harness.databases import new_database
from tests.harness.service import Caller, Served, serve

# In the order of the root of the Unicode collation.
SORTED = [
    "- dash", "1 lamp", "10 lamps", "2 lamps", "Aal", "Äal", "Apfel", "Åre", "café", "cafe au lait",
    "œuf", "Øl", "omega", "straße", "strasse 2", "Zebra", "Ωmega", "Ящик", "アリ", "いぬ", "灯笼",
]  # fmt: skip


async def test_names_are_sorted_naturally_page_by_page(service: Served, make_product: MakeProduct) -> None:
    await make_named(make_product, *SORTED[::-2], *SORTED[1::2][::-1], *SORTED[:0])
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
    await make_named(make_product, "Mouse")
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
