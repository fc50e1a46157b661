"""What is exported and imported again changes nothing, and publishes nothing."""

import csv
import io
import json
from collections.abc import AsyncIterator
from operator import itemgetter

import pytest

from product_service.tests.conftest import MakeCategory, MakeProduct
from product_service.tests.imports.conftest import Import, Json, counts, failed, lines
from tests.harness.service import Caller, Served, serve

FULL: Json = {
    "sku": "FULL/1",
    "name": "=SUM(A1), 'quoted' \"marks\"",
    "description": "Two\nlines, a comma; ünïcode 蠟燭\n\"and marks\"",
    "attributes": {
        "colour": "white", "number": 140, "text number": "140", "ratio": 0.5, "negative": -3, "text -": "-3",
        "yes": True, "text yes": "true", "empty": "", "marks": '"x"', "mark": '"', "tab": "\tx", "a:b,c": "'=x",
        "spaces": "  a ", "apostrophe": "'plain", "null": "null", "large": 9007199254740992, "exponent": 1e22,
    },
    "brand": "@brand",
    "gtin": "5901234123457",
    "dimensions": {"length_mm": 1, "width_mm": 2, "height_mm": 3},
    "external_ids": {"erp": "0012", "old.shop": "+1"},
    "metadata": {"shelf": "B-12", "checked": False, "nothing": None, "count": 0, "word": "1e3"},
    "seo": {"title": "-title", "description": None},
    "price": {"amount": 1999, "currency": "JPY"},
    "tax_class": "reduced",
    "weight_g": 250,
    "status": "active",
}  # fmt: skip


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with serve("product_service", locales=["en", "de", "fr-CA"]) as served:
        yield served


async def everything(staff: Caller, make_product: MakeProduct, make_category: MakeCategory) -> None:
    """A catalogue that has something in each column."""
    category = await make_category("Kitchen > Home", await make_category("Home"))
    family = await staff.post(
        "/families",
        json={"name": "Apron", "category_id": category["id"], "options": [{"name": "size, cm", "values": ["M", "=L"]}]},
    )
    assert family.status_code == 201, family.text
    full = await make_product(**FULL, category_id=category["id"])
    in_family = {"family_id": family.json()["id"], "status": "draft"}
    variants = [await make_product(**in_family, options={"size, cm": size}) for size in ("M", "=L")]
    for locale, texts in (("de", {"name": "+Name", "seo": {"title": "Titel"}}), ("fr-CA", {"description": ""})):
        put = await staff.put(f"/products/{full['id']}/translations/{locale}", json=texts)
        assert put.status_code == 204, put.text
    await make_product(name="Plain", seo={"title": "only"}, description="")
    for price in (
        {"amount": 900, "currency": "GBP"},
        {"amount": 800, "currency": "EUR", "min_quantity": 10, "starts_at": "2030-01-01T00:00:00.123456Z"},
        {"amount": 700, "currency": "EUR", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2031-01-01T00:00:00Z"},
    ):
        assert (await staff.post(f"/products/{variants[0]['id']}/prices", json=price)).status_code == 201


async def exported(staff: Caller, what: str, format: str) -> bytes:
    answer = await staff.get(f"/{what}/export", params={"format": format})
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("format", ["csv", "jsonl"])
async def test_an_export_that_is_imported_changes_and_publishes_nothing(
    service: Served,
    staff: Caller,
    make_product: MakeProduct,
    make_category: MakeCategory,
    imported: Import,
    format: str,
) -> None:
    await everything(staff, make_product, make_category)
    products, prices = [await exported(staff, what, format) for what in ("products", "prices")]
    before = await service.events()
    for mode in ("upsert", "update"):
        done = await imported(products, format, mode=mode)
        assert (counts(done), await failed(staff, done)) == (
            {"state": "done", "rows": 4, "created": 0, "changed": 0, "unchanged": 4, "failed": 0},
            [],
        )
    done = await imported(prices, format, kind="prices")
    assert (counts(done)["unchanged"], await failed(staff, done)) == (3, [])
    assert await service.events() == before
    assert (await exported(staff, "products", format), await exported(staff, "prices", format)) == (products, prices)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
async def test_an_export_recreates_the_products_in_another_shop(
    service: Served,
    staff: Caller,
    make_product: MakeProduct,
    make_category: MakeCategory,
    imported: Import,
    format: str,
) -> None:
    await everything(staff, make_product, make_category)
    content = await exported(staff, "products", format)
    prices = await exported(staff, "prices", format)
    async with service.runtime.database.connection() as connection:
        for table in ("prices", "translations", "products"):
            await connection.execute(f"DELETE FROM {table}")
    done = await imported(content, format, mode="create")
    assert (counts(done)["created"], await failed(staff, done)) == (4, [])
    assert (counts(await imported(prices, format, kind="prices"))["created"]) == 3
    assert cells(await exported(staff, "products", format), format) == cells(content, format)


def cells(content: bytes, format: str) -> list[dict[str, str]]:
    """The cells of each row that are not empty: an empty text is nothing in a new product, as is null."""
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    else:
        rows = [json.loads(line) for line in content.decode().splitlines()]
    return sorted(({name: value for name, value in row.items() if value != ""} for row in rows), key=itemgetter("sku"))


async def test_an_absent_column_leaves_a_field_and_an_empty_cell_removes_it(
    staff: Caller, make_product: MakeProduct, imported: Import
) -> None:
    made = await make_product(**FULL)
    header = "sku,brand,attribute:colour,attribute:new,length_mm,width_mm,height_mm,seo_title"
    done = await imported(lines("FULL/1,,,5,,,,", header=header))
    assert (counts(done)["changed"], await failed(staff, done)) == (1, [])
    found = (await staff.get(f"/products/{made['id']}")).json()
    assert (found["brand"], found["dimensions"], found["seo"]) == (None, None, None)
    assert found["attributes"] == {**{k: v for k, v in FULL["attributes"].items() if k != "colour"}, "new": 5}
    assert (found["name"], found["weight_g"], found["price"]) == (FULL["name"], 250, FULL["price"])
    assert found["version"] == made["version"] + 1
