"""Collections over HTTP, and tags."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from product_service.tests.conftest import Json, MakeProduct, found
from tests.harness.service import Caller, Served, serve


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with serve("product_service", locales="en,de") as served:
        yield served


async def make(staff: Caller, name: str = "For the first frost", **fields: object) -> Json:
    answer = await staff.post("/collections", json={"name": name, "published": True, **fields})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def names(caller: httpx.AsyncClient, collection: Json, **params: Any) -> tuple[list[str], str | None]:
    answer = await caller.get(f"/collections/{collection['id']}/products", params=params)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]], answer.json()["next"]


async def test_products_are_shown_in_the_sequence_that_staff_chose(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    collection, anyone = await make(staff), service.anonymous
    products = [await make_product(name=name, status=status) for name, status in (
        ("Lamp", "active"), ("Draft", "draft"), ("Candle", "active"), ("Mug", "active"),
    )]  # fmt: skip
    path = f"/collections/{collection['id']}"
    chosen = [products[number]["id"] for number in (3, 1, 0)]
    changed = await staff.put(f"{path}/products", json={"product_ids": chosen}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert await names(anyone, collection) == (["Mug", "Lamp"], None)
    assert await names(staff.client, collection) == (["Mug", "Draft", "Lamp"], None)
    [first], cursor = await names(anyone, collection, limit=1)
    assert (first, await names(anyone, collection, limit=1, cursor=cursor)) == ("Mug", (["Lamp"], None))
    lost = await staff.put(f"{path}/products", json={"product_ids": []}, headers={"If-Match": '"1"'})
    assert lost.status_code == 412
    await staff.put(f"{path}/products", json={"product_ids": [products[2]["id"], products[3]["id"]]})
    assert await names(anyone, collection) == (["Candle", "Mug"], None)


async def test_visitors_see_published_collections(service: Served, staff: Caller) -> None:
    shown, hidden = await make(staff), await make(staff, published=False)
    assert (shown["slug"], hidden["slug"].startswith("for-the-first-frost-")) == ("for-the-first-frost", True)
    anyone = service.anonymous
    assert [each["id"] for each in (await anyone.get("/collections")).json()["items"]] == [shown["id"]]
    assert len((await staff.get("/collections")).json()["items"]) == 2
    for path in (hidden["id"], f"by-slug/{hidden['slug']}", f"{hidden['id']}/products"):
        assert (await anyone.get(f"/collections/{path}")).status_code == 404
        assert (await staff.get(f"/collections/{path}")).status_code == 200
    await staff.patch(f"/collections/{hidden['id']}", json={"published": True, "name": "New"})
    assert (await anyone.get(f"/collections/by-slug/{hidden['slug']}")).json()["name"] == "New"
    assert (await staff.delete(f"/collections/{hidden['id']}")).status_code == 204
    assert (await staff.get(f"/collections/{hidden['id']}")).status_code == 404


async def test_a_collection_is_translated(service: Served, staff: Caller) -> None:
    collection, german = await make(staff, description="Warm"), {"Accept-Language": "de"}
    path = f"/collections/{collection['id']}"
    assert (await staff.put(f"{path}/translations/de", json={"name": "Zum Frost"})).status_code == 204
    for where in (path, f"/collections/by-slug/{collection['slug']}"):
        shown = (await service.anonymous.get(where, headers=german)).json()
        assert (shown["name"], shown["description"]) == ("Zum Frost", "Warm")
    [listed] = (await service.anonymous.get("/collections", headers=german)).json()["items"]
    assert listed["name"] == "Zum Frost"


async def test_what_can_not_be_in_a_collection_is_rejected(staff: Caller, make_product: MakeProduct) -> None:
    collection, product, unknown = await make(staff), (await make_product())["id"], str(uuid4())
    path = f"/collections/{collection['id']}/products"
    answer = await staff.put(path, json={"product_ids": [product, unknown]})
    assert (answer.status_code, answer.json()["product_ids"]) == (409, [unknown])
    assert (await staff.put(path, json={"product_ids": [product, product]})).status_code == 422
    assert (await staff.put(path.replace(collection["id"], unknown), json={"product_ids": []})).status_code == 404


async def test_lists_are_filtered_by_tags(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    lamp = await make_product(name="Lamp", tags=["Winter", "handmade", "winter"])
    await make_product(name="Mug", tags=["winter"])
    assert lamp["tags"] == ["handmade", "winter"]
    assert sorted(await found(service, tag="winter")) == ["Lamp", "Mug"]
    assert await found(service, tag=["winter", "HANDMADE"]) == ["Lamp"]
    assert await found(service, tag="summer") == []
    await staff.patch(f"/products/{lamp['id']}", json={"tags": []})
    assert await found(service, tag="winter") == ["Mug"]
