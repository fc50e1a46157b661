"""Products over HTTP, and their events."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from contracts.events.products import ProductChanged, ProductDeleted
from contracts.events.stock_levels import StockChanged
from product_service.price_rules.consumers import on_stock_changed
from product_service.products.schemas import ProductOut
from product_service.tests.conftest import MakeCategory, MakeProduct
from product_service.text import SLUG_LENGTH
from tests.harness.service import Caller, Served


async def test_a_product_is_created_and_read_by_id_and_by_slug(service: Served, staff: Caller) -> None:
    body = {
        "sku": "85123A",
        "name": "Crème brûlée, 2 pcs.",
        "description": "Sweet\nand brown",
        "attributes": {"colour": "brown", "pieces": 2, "weight": 0.5, "vegan": False},
        "price": {"amount": 255, "currency": "GBP"},
        "status": "active",
    }
    made = await staff.post("/products", json=body)
    assert made.status_code == 201
    product = ProductOut.model_validate_json(made.content)
    assert made.headers["location"] == f"/products/{product.id}"
    assert product.slug == "creme-brulee-2-pcs"
    assert {name: made.json()[name] for name in body} == body
    by_id = await service.anonymous.get(f"/products/{product.id}")
    by_slug = await service.anonymous.get(f"/products/by-slug/{product.slug}")
    only_staff = {"external_ids": None, "metadata": None}
    assert by_id.json() == by_slug.json() == made.json() | only_staff
    assert by_id.json()["created_at"].endswith("Z")
    assert by_id.headers["etag"] == by_slug.headers["etag"] == made.headers["etag"]


async def test_a_conditional_read_is_a_304_until_the_response_changes(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    path = f"/products/{(await make_product())['id']}"

    async def status(etag: str) -> int:
        return (await service.anonymous.get(path, headers={"If-None-Match": etag})).status_code

    etag = (await service.anonymous.get(path)).headers["etag"]
    assert await status(etag) == await status(f'"other", W/{etag}') == 304
    async with service.runtime.database.transaction() as tx:
        await on_stock_changed(tx, [_level(UUID(path.rpartition("/")[2]), 5, version=1)])
    assert await status(etag) == 200, "the stock changed"
    etag = (await service.anonymous.get(path)).headers["etag"]
    await staff.post(f"{path}/prices", json={"amount": 900, "currency": "GBP"})
    assert await status(etag) == 200, "the price changed"


async def test_skus_are_unique_and_equal_names_get_different_slugs(staff: Caller, make_product: MakeProduct) -> None:
    first = await make_product(sku="A-1", name="Lantern")
    second = await make_product(sku="A-2", name="Lantern")
    third = await make_product(sku="A-2-X", name="灯籠")
    assert (first["slug"], second["slug"], third["slug"]) == ("lantern", "lantern-a-2", "a-2-x")
    taken = await staff.post(
        "/products", json={"sku": "A-1", "name": "Other", "price": {"amount": 1, "currency": "GBP"}}
    )
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/sku-taken")
    assert taken.json()["product_id"] == first["id"]


async def test_products_with_long_names_that_begin_alike_get_different_slugs(make_product: MakeProduct) -> None:
    made = [await make_product(name="㎑" * 60, sku=f"K-{end}") for end in "abcd"]
    assert len({product["slug"] for product in made}) == 4
    assert max(len(product["slug"]) for product in made) <= SLUG_LENGTH


async def test_concurrently_created_products_of_one_name_get_different_slugs(make_product: MakeProduct) -> None:
    made = await asyncio.gather(*(make_product(name="Lantern") for _ in range(8)))
    assert len({product["slug"] for product in made}) == 8


async def test_concurrent_requests_with_one_sku_create_one_product(service: Served, staff: Caller) -> None:
    body = {"sku": "ONE", "name": "One", "price": {"amount": 1, "currency": "GBP"}}
    answers = await asyncio.gather(*(staff.post("/products", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await service.events()) == 1


@pytest.mark.parametrize("status", ["draft", "archived"])
async def test_only_staff_see_drafts_and_archived_products(
    service: Served, staff: Caller, make_product: MakeProduct, status: str
) -> None:
    product = await make_product(status=status)
    for path in (
        f"/products/{product['id']}",
        f"/products/by-slug/{product['slug']}",
        f"/products/{product['id']}/prices",
    ):
        assert (await service.anonymous.get(path)).status_code == 404
        assert (await service.caller().get(path)).status_code == 404
        assert (await staff.get(path)).status_code == 200
    assert (await service.anonymous.get("/products", params={"status": status})).status_code == 401
    assert (await service.caller().get("/products", params={"status": status})).status_code == 403
    assert (await service.anonymous.get("/products")).json()["items"] == []
    listed = await staff.get("/products", params={"status": status})
    assert [item["id"] for item in listed.json()["items"]] == [product["id"]]


async def test_a_change_of_an_outdated_version_is_rejected(staff: Caller, make_product: MakeProduct) -> None:
    path = f"/products/{(await make_product())['id']}"
    etag = (await staff.get(path)).headers["etag"]
    changes = [staff.patch(path, json={"name": name}, headers={"If-Match": etag}) for name in ("First", "Second")]
    answers = await asyncio.gather(*changes)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await staff.delete(path, headers={"If-Match": etag})).status_code == 412
    assert (await staff.get(path)).json()["version"] == 2


async def test_a_request_that_changes_nothing_makes_no_new_version(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product(name="Same")
    answer = await staff.patch(f"/products/{product['id']}", json={"name": "Same", "price": product["price"]})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert len(await service.events()) == 1


async def test_each_change_is_published_with_the_next_version(
    service: Served, staff: Caller, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    product, category = await make_product(status="draft"), await make_category("Lights")
    path = f"/products/{product['id']}"
    await staff.patch(path, json={"status": "active", "category_id": category["id"]})
    price = await staff.post(f"{path}/prices", json={"amount": 700, "currency": "GBP", "min_quantity": 10})
    await staff.post(f"{path}/prices/{price.json()['id']}/end")
    published = await service.events(ProductChanged)
    assert [event.version for event in published] == [1, 2, 3, 4]
    assert [event.status for event in published] == ["draft", "active", "active", "active"]
    assert [[price.amount for price in event.prices] for event in published] == [[1000], [1000], [1000, 700], [1000]]
    assert str(published[1].category_id) == category["id"]
    shown = (await staff.get(path)).json()
    assert (published[-1].version, published[-1].slug) == (shown["version"], shown["slug"])


async def test_concurrent_changes_are_published_in_version_order(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    path = f"/products/{product['id']}"
    await asyncio.gather(*(staff.patch(path, json={"name": f"Name {n}"}) for n in range(10)))
    assert [event.version for event in await service.events(ProductChanged)] == list(range(1, 12))


async def test_only_a_draft_without_history_can_be_deleted(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    draft, stocked = await make_product(status="draft"), await make_product(status="draft")
    active = await make_product()
    async with service.runtime.database.transaction() as tx:
        await on_stock_changed(tx, [_level(UUID(stocked["id"]), 1, version=1)])
    for product in (active, stocked):
        rejected = await staff.delete(f"/products/{product['id']}")
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/product-has-history")
    await staff.post(f"/products/{draft['id']}/prices", json={"amount": 5, "currency": "GBP"})
    assert (await staff.delete(f"/products/{draft['id']}")).status_code == 204
    assert (await staff.get(f"/products/{draft['id']}")).status_code == 404
    published = await service.events(ProductDeleted)
    assert [(str(event.product_id), event.version) for event in published] == [(draft["id"], 3)]


async def test_a_published_product_cannot_become_a_draft_again(staff: Caller, make_product: MakeProduct) -> None:
    path = f"/products/{(await make_product())['id']}"
    for status in ("active", "archived"):
        assert (await staff.patch(path, json={"status": status})).status_code == 200
        rejected = await staff.patch(path, json={"status": "draft"})
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/not-a-draft-again")
    assert (await staff.patch(path, json={"status": "active"})).json()["status"] == "active"


async def test_a_category_must_exist(staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    price = {"amount": 1, "currency": "GBP"}
    body = {"sku": "N", "name": "N", "price": price, "category_id": str(uuid4())}
    assert (await staff.post("/products", json=body)).json()["type"] == "/problems/category-unknown"
    changed = await staff.patch(f"/products/{product['id']}", json={"category_id": str(uuid4())})
    assert changed.json()["type"] == "/problems/category-unknown"


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": {"amount": 0, "currency": "GBP"}},
        {"price": {"amount": 12.5, "currency": "GBP"}},
        {"price": {"amount": 1, "currency": "pounds"}},
        {"name": ""},
        {"name": "N\x00"},
        {"description": "\ud800"},
        {"sku": "has space"},
        {"status": "gone"},
        {"attributes": {"a": {"b": 1}}},
        {"attributes": {"a\x00": 1}},
        {"slug": "mine"},
    ],
)
async def test_invalid_products_are_rejected(staff: Caller, wrong: dict[str, object]) -> None:
    body = {"sku": "N", "name": "N", "price": {"amount": 1, "currency": "GBP"}, **wrong}
    answer = await staff.post("/products", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["field"].startswith(next(iter(wrong)))


async def test_customers_cannot_change_products(service: Served, make_product: MakeProduct) -> None:
    product = await make_product()
    path = f"/products/{product['id']}"
    for caller, status in ((service.anonymous, 401), (service.caller(), 403)):
        assert (await caller.post("/products", json={})).status_code == status
        assert (await caller.patch(path, json={})).status_code == status
        assert (await caller.delete(path)).status_code == status
        assert (await caller.post(f"{path}/prices", json={})).status_code == status
    assert (await service.anonymous.get(path, headers={"Authorization": "Bearer no"})).status_code == 401


def _level(product_id: UUID, available: int, version: int) -> StockChanged:
    return StockChanged(
        product_id=product_id, on_hand=available, reserved=0, available=available, warehouses=[], version=version
    )
