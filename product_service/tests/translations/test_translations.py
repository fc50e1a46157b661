"""Texts of products, families and categories in other languages."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from product_service.families.schemas import FamilyPage
from product_service.products.schemas import ProductOut
from product_service.tests.conftest import Json, MakeCategory, MakeProduct, found
from product_service.tests.families.conftest import OPTIONS
from tests.harness.service import Caller, Served, serve

DE = {"Accept-Language": "de-CH, de;q=0.9, en;q=0.5"}
TEXTS = {"name": "Laterne", "description": "Aus Blech", "seo": {"title": "Die Laterne", "description": None}}


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with serve("product_service", locales=["en", "de", "fr"]) as served:
        yield served


async def translate(staff: Caller, path: str, locale: str, texts: Json) -> None:
    answer = await staff.put(f"{path}/translations/{locale}", json=texts)
    assert answer.status_code == 204, answer.text


async def test_a_product_is_shown_in_the_language_that_is_preferred(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product(name="Lantern", description="Of tin")
    path, anyone = f"/products/{product['id']}", service.anonymous
    plain = await anyone.get(path, headers=DE)
    assert (plain.json()["name"], "content-language" in plain.headers) == ("Lantern", False)
    await translate(staff, path, "de", TEXTS)
    for where in (path, f"/products/by-slug/{product['slug']}"):
        german = await anyone.get(where, headers=DE)
        shown = ProductOut.model_validate_json(german.content)
        assert (shown.name, shown.description, shown.seo and shown.seo.title) == (
            "Laterne",
            "Aus Blech",
            "Die Laterne",
        )
        assert german.headers["content-language"] == "de"
        assert "Accept-Language" in german.headers["vary"]
        assert german.headers["etag"] != plain.headers["etag"]
    assert (await anyone.get(path, headers={"Accept-Language": "fr"})).json()["name"] == "Lantern"
    assert (await anyone.get(path)).headers["etag"] == plain.headers["etag"]
    [item] = (await anyone.get("/products", headers=DE)).json()["items"]
    assert (item["name"], item["slug"]) == ("Laterne", "lantern")


async def test_each_missing_text_is_shown_in_the_main_language(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product(name="Lantern", description="Of tin")
    path = f"/products/{product['id']}"
    await translate(staff, path, "de", {"name": "Laterne"})
    shown = (await service.anonymous.get(path, headers=DE)).json()
    assert (shown["name"], shown["description"]) == ("Laterne", "Of tin")
    before = (await service.anonymous.get(path, headers=DE)).headers["etag"]
    await translate(staff, path, "de", {"description": "Aus Blech"})
    changed = await service.anonymous.get(path, headers={**DE, "If-None-Match": before})
    assert (changed.status_code, changed.json()["name"]) == (200, "Lantern"), "a translation is replaced as a whole"
    listed = (await staff.get(f"{path}/translations")).json()["items"]
    assert [(each["locale"], each["fields"], each["version"]) for each in listed] == [
        ("de", {"description": "Aus Blech"}, 2)
    ]
    assert (await staff.delete(f"{path}/translations/de")).status_code == 204
    assert (await staff.delete(f"{path}/translations/de")).status_code == 404
    assert (await service.anonymous.get(path, headers=DE)).json()["description"] == "Of tin"


async def test_a_family_has_labels_for_its_options(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    family = (await staff.post("/families", json={"name": "Apron", "options": OPTIONS})).json()
    product = await make_product(family_id=family["id"], options={"colour": "blue", "size": "M"})
    path = f"/families/{family['id']}"
    labels = {"colour": "Farbe", "blue": "blau"}
    await translate(staff, path, "de", {"name": "Schürze", "labels": labels})
    await translate(staff, f"/products/{product['id']}", "de", {"name": "Schürze, blau, M"})
    answer = await service.anonymous.get(path, headers=DE)
    shown = FamilyPage.model_validate_json(answer.content)
    assert (shown.name, shown.labels, shown.variants[0].name) == ("Schürze", labels, "Schürze, blau, M")
    assert answer.headers["content-language"] == "de"
    assert (await service.anonymous.get(path)).json()["labels"] == {}


async def test_categories_are_translated(service: Served, staff: Caller, make_category: MakeCategory) -> None:
    lights = await make_category("Lights")
    await make_category("Candles", lights)
    await translate(staff, f"/categories/{lights['id']}", "de", {"name": "Licht"})
    anyone = service.anonymous
    [tree] = (await anyone.get("/categories/tree", headers=DE)).json()["items"]
    assert (tree["name"], tree["children"][0]["name"]) == ("Licht", "Candles")
    assert [each["name"] for each in (await anyone.get("/categories", headers=DE)).json()["items"]] == [
        "Candles",
        "Licht",
    ]
    assert (await anyone.get(f"/categories/{lights['id']}", headers=DE)).json()["name"] == "Licht"
    assert (await anyone.get(f"/categories/{lights['id']}")).json()["name"] == "Lights"


async def test_only_languages_of_the_shop_are_accepted(staff: Caller, make_product: MakeProduct) -> None:
    path = f"/products/{(await make_product())['id']}/translations"
    for locale in ("it", "en"):
        answer = await staff.put(f"{path}/{locale}", json=TEXTS)
        assert (answer.status_code, answer.json()["type"], answer.json()["known"]) == (
            409,
            "/problems/locale-unknown",
            ["de", "fr"],
        )
    bad: list[tuple[str, Any]] = [("deutsch", TEXTS), ("de", {"name": ""}), ("de", {"sku": "X"})]
    for locale, texts in bad:
        assert (await staff.put(f"{path}/{locale}", json=texts)).status_code == 422
    unknown = "/products/0199c1a0-5b00-7a10-8c00-000000000009/translations"
    assert (await staff.put(f"{unknown}/de", json=TEXTS)).status_code == 404
    assert (await staff.get(unknown)).status_code == 404


async def test_a_deleted_draft_leaves_no_texts(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product(status="draft")
    await translate(staff, f"/products/{product['id']}", "de", TEXTS)
    assert (await staff.delete(f"/products/{product['id']}")).status_code == 204
    async with service.runtime.database.connection() as connection:
        assert await connection.fetch("SELECT FROM translations") == []
    assert await found(service) == []
