"""Published stock levels: the latest level of each product that changed, at most once per interval."""

import asyncio

from contracts.events.products import ProductChanged
from contracts.events.stock_levels import StockChanged
from inventory_service.stock import use_cases
from inventory_service.tests.inventory import Inventory, fulfilment, reservation
from service_kit.ids import uuid7


async def _published(inventory: Inventory) -> list[StockChanged]:
    """All levels that were published, including the current changes."""
    await _end_pause(inventory)
    await use_cases.publish_levels(inventory.runtime)
    return await inventory.served.events(StockChanged)


async def _end_pause(inventory: Inventory) -> None:
    """Makes each product's last publication older than the pause."""
    async with inventory.runtime.database.connection() as hot:
        await hot.execute("UPDATE stock SET published_at = published_at - interval '2 seconds'")


async def test_many_changes_are_published_as_one_level(inventory: Inventory) -> None:
    product_id, north = await inventory.stocked(10)
    south = await inventory.warehouse()
    await inventory.receive(south, (product_id, 5))
    for _ in range(3):
        await inventory.deliver(reservation(uuid7(), [(product_id, 2)]))
    (level,) = await _published(inventory)
    assert (level.product_id, level.on_hand, level.reserved, level.available) == (product_id, 15, 6, 9)
    assert {each.warehouse_id: (each.on_hand, each.reserved, each.available) for each in level.warehouses} == {
        north: (10, 6, 4),
        south: (5, 0, 5),
    }
    assert await _published(inventory) == [level], "nothing changed, so nothing is published"


async def test_every_stock_change_is_published_with_a_higher_version(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(10)
    order_id, lines = uuid7(), [(product_id, 4)]
    levels = [(await _published(inventory))[-1]]

    async def adjust() -> None:
        place = {"product_id": str(product_id), "warehouse_id": str(warehouse_id)}
        await inventory.staff.post("/stock/adjustments", json={**place, "quantity": -1, "reason": "lost"})

    await inventory.receive(warehouse_id, (product_id, 1))
    levels.append((await _published(inventory))[-1])
    await adjust()
    levels.append((await _published(inventory))[-1])
    await inventory.deliver(reservation(order_id, lines))
    levels.append((await _published(inventory))[-1])
    await inventory.deliver(fulfilment(order_id, lines))
    assert len(await _published(inventory)) == 4, "nothing has left yet"
    (shipment,) = await inventory.shipments(order_id)
    await inventory.dispatch(shipment["id"])
    levels.append((await _published(inventory))[-1])
    assert [(each.on_hand, each.reserved) for each in levels] == [(10, 0), (11, 0), (10, 0), (10, 4), (6, 0)]
    versions = [each.version for each in levels]
    assert versions == sorted(set(versions))


async def test_a_product_is_published_at_most_once_per_interval(inventory: Inventory) -> None:
    """Even if several processes publish, and if its stock changes in several warehouses."""
    product_id, north = await inventory.stocked(10)
    south = await inventory.warehouse()
    pause = use_cases.PAUSE_PER_PRODUCT.total_seconds()
    begun = asyncio.get_running_loop().time()
    while (elapsed := asyncio.get_running_loop().time() - begun) < 2.2 * pause:
        await inventory.receive(north, (product_id, 1))
        await inventory.receive(south, (product_id, 1))
        await asyncio.gather(*(use_cases.publish_levels(inventory.runtime) for _ in range(3)))
    published = len(await inventory.served.events(StockChanged))
    assert 2 <= published <= elapsed / pause + 2, "one more for a warehouse that had none of it before"


async def test_more_products_than_one_transaction_takes_are_published_in_one_run(inventory: Inventory) -> None:
    warehouse_id = await inventory.warehouse()
    products = [uuid7() for _ in range(620)]
    await inventory.deliver(
        *(
            ProductChanged(product_id=each, sku="S", name="N", slug="s", status="active", prices=[], version=1)
            for each in products
        )
    )
    await inventory.receive(warehouse_id, *((product_id, 1) for product_id in products))
    assert sorted(level.product_id for level in await _published(inventory)) == sorted(products)
