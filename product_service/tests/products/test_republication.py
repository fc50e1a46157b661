"""Products are published again when their category moves, or when an operator requests it."""

import asyncio
from uuid import UUID

import pytest

from contracts.events.products import ProductChanged
from product_service.__main__ import republish_products
from product_service.products import jobs, use_cases
from product_service.tests.conftest import Json, MakeCategory, MakeProduct
from tests.harness.service import Caller, Served


async def run(service: Served) -> int:
    """Runs the job until nothing is left. Returns the number of its batches."""
    batches = 0
    while await jobs.publish_again(service.runtime):
        batches += 1
    return batches


async def paths(service: Served) -> dict[UUID, list[str]]:
    """The category path that was published last of each product."""
    return {each.product_id: [str(id) for id in each.category_path] for each in await service.events(ProductChanged)}


async def move(staff: Caller, category: Json, parent: Json | None) -> None:
    answer = await staff.patch(f"/categories/{category['id']}", json={"parent_id": parent and parent["id"]})
    assert answer.status_code == 200, answer.text


async def test_facts_are_shown_and_published(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product(tax_class="reduced", weight_g=140)
    assert (product["tax_class"], product["weight_g"]) == ("reduced", 140)
    plain = await make_product()
    assert (plain["tax_class"], plain["weight_g"]) == ("standard", None)
    changed = await staff.patch(f"/products/{product['id']}", json={"tax_class": "zero", "weight_g": None})
    assert (changed.json()["tax_class"], changed.json()["weight_g"], changed.json()["version"]) == ("zero", None, 2)
    listed = (await service.anonymous.get("/products", params={"sku": product["sku"]})).json()["items"]
    assert [(item["tax_class"], item["weight_g"]) for item in listed] == [("zero", None)]
    published = [(each.tax_class, each.weight_g) for each in await service.events(ProductChanged)]
    assert published == [("reduced", 140), ("standard", None), ("zero", None)]


@pytest.mark.parametrize(
    "wrong",
    [{"tax_class": "Standard"}, {"tax_class": ""}, {"tax_class": "follows_goods"}, {"weight_g": 0}, {"weight_g": 1.5}],
)
async def test_invalid_facts_are_rejected(staff: Caller, make_product: MakeProduct, wrong: Json) -> None:
    path = f"/products/{(await make_product())['id']}"
    assert (await staff.patch(path, json=wrong)).status_code == 422
    assert (await staff.patch(path, json={"tax_class": None})).status_code == 422


async def test_a_product_is_published_with_its_category_and_all_above_it(
    service: Served, staff: Caller, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    home = await make_category("Home")
    lights = await make_category("Lights", home)
    product = await make_product(category_id=lights["id"])
    assert await paths(service) == {UUID(product["id"]): [lights["id"], home["id"]]}
    await staff.patch(f"/products/{product['id']}", json={"category_id": None})
    assert await paths(service) == {UUID(product["id"]): []}


async def test_a_moved_category_publishes_the_products_below_it_in_batches(
    service: Served,
    staff: Caller,
    make_product: MakeProduct,
    make_category: MakeCategory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "AGAIN", 2)
    home, garden = await make_category("Home"), await make_category("Garden")
    lights = await make_category("Lights", home)
    candles = await make_category("Candles", lights)
    below = [await make_product(category_id=each["id"]) for each in (lights, candles, candles, lights, candles)]
    other = await make_product(category_id=home["id"])

    await move(staff, lights, garden)
    assert await jobs.publish_again(service.runtime)
    moved = [len(path) for path in (await paths(service)).values() if garden["id"] in path]
    assert len(moved) == 2, "one batch has been published, and the rest follows"
    assert await run(service) == 2
    published = await paths(service)
    for product in below:
        rest = [candles["id"]] if product["category_id"] == candles["id"] else []
        assert published[UUID(product["id"])] == [*rest, lights["id"], garden["id"]]
    versions = {each.product_id: each.version for each in await service.events(ProductChanged)}
    assert versions == {UUID(each["id"]): 2 for each in below} | {UUID(other["id"]): 1}
    assert await run(service) == 0


async def test_a_category_that_is_renamed_publishes_nothing(
    service: Served, staff: Caller, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    category = await make_category("Home")
    await make_product(category_id=category["id"])
    answer = await staff.patch(f"/categories/{category['id']}", json={"name": "House", "parent_id": None})
    assert answer.status_code == 200
    assert await run(service) == 0


async def test_a_second_move_begins_again(
    service: Served,
    staff: Caller,
    make_product: MakeProduct,
    make_category: MakeCategory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "AGAIN", 1)
    home, lights = await make_category("Home"), await make_category("Lights")
    products = [await make_product(category_id=lights["id"]) for _ in range(3)]
    await move(staff, lights, home)
    assert await jobs.publish_again(service.runtime)
    await move(staff, lights, None)
    await run(service)
    assert await paths(service) == {UUID(each["id"]): [lights["id"]] for each in products}


async def test_products_that_change_while_a_category_moves_end_with_the_present_path(
    service: Served, staff: Caller, make_product: MakeProduct, make_category: MakeCategory
) -> None:
    home, garden = await make_category("Home"), await make_category("Garden")
    lights = await make_category("Lights", home)
    products = [await make_product(category_id=lights["id"]) for _ in range(4)]
    for parent in (garden, home, garden):
        await asyncio.gather(
            move(staff, lights, parent),
            jobs.publish_again(service.runtime),
            *(staff.patch(f"/products/{each['id']}", json={"name": f"At {parent['name']}"}) for each in products),
            *(make_product(category_id=lights["id"]) for _ in range(4)),
        )
    await run(service)
    published = await paths(service)
    assert len(published) == 16
    assert set(map(tuple, published.values())) == {(lights["id"], garden["id"])}


async def test_a_category_moves_only_after_products_with_its_former_path_are_committed(
    service: Served, staff: Caller, make_category: MakeCategory
) -> None:
    home, lights = await make_category("Home"), await make_category("Lights")
    columns = {"sku": "A", "name": "A", "price_amount": 1, "price_currency": "GBP", "category_id": UUID(lights["id"])}
    async with service.runtime.database.transaction() as tx:
        product = await use_cases.create(tx, columns)
        moving = asyncio.create_task(move(staff, lights, home))
        while not moving.done() and not await _someone_waits_for_a_lock(service):
            await asyncio.sleep(0.01)
        if moving.done():
            await run(service)  # it does not find the product yet
    await moving
    await run(service)
    assert await paths(service) == {product.id: [lights["id"], home["id"]]}


async def _someone_waits_for_a_lock(service: Served) -> bool:
    async with service.runtime.database.connection() as connection:
        waiting = """
            SELECT true FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
            WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()
        """
        return bool(await connection.fetchval(waiting))


async def test_two_processes_publish_each_product_once(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AGAIN", 2)
    made = [await make_product() for _ in range(9)]
    settings = service.runtime.settings
    assert "every product" in await republish_products(settings)  # type: ignore[arg-type]
    await asyncio.gather(run(service), run(service), run(service))
    await run(service)
    versions = [(each.product_id, each.version) for each in await service.events(ProductChanged)][9:]
    assert sorted(versions) == sorted((UUID(each["id"]), 2) for each in made)
