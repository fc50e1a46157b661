"""Orders are accepted while the broker or the other services are down, and all are completed afterwards."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from local_stack.shop import Shop
from tests.system.books import agree
from tests.system.crowd import PRODUCTS, Crowd
from tests.system.world import World

ORDERS = 200
OTHERS = ("user", "product", "inventory", "notification", "gateway", "mailbox")


async def test_the_broker_is_killed_and_restarted_under_load(world: World) -> None:
    crowd = Crowd(world, orders=ORDERS, customers=20)
    await crowd.prepare()
    async with asyncio.TaskGroup() as tasks:
        shopping = tasks.create_task(crowd.shop())
        await crowd.placed(ORDERS // 4)
        await asyncio.to_thread(world.shop.kill, "kafka")
        await asyncio.to_thread(world.shop.stop, "kafka")  # before the supervisor has restarted it
        before = len(crowd.ledger.answers)
        await crowd.placed(before + ORDERS // 4)
        assert not world.shop.is_ready("kafka"), "these were to be accepted without it"
        await asyncio.to_thread(world.shop.start, "kafka")
        await shopping
    assert len(crowd.ledger.orders) == ORDERS
    await agree(world, crowd.ledger)


async def test_orders_are_placed_while_all_other_services_are_down(world: World) -> None:
    crowd = Crowd(world)
    await crowd.prepare()
    customers = await crowd.arrive(10)
    await asyncio.gather(*(crowd.order(customers[n], n) for n in range(PRODUCTS)))  # until the order service knows them
    await asyncio.to_thread(_stop, world.shop, *OTHERS)
    await asyncio.to_thread(_stop, world.shop, "kafka")

    orders = await asyncio.gather(*(crowd.order(customers[n % 10], n) for n in range(60)))
    assert {order["status"] for order in orders} == {"pending"}

    for name in ("kafka", *OTHERS):
        await asyncio.to_thread(world.shop.start, name)
    await asyncio.to_thread(world.shop.wait_ready)
    async with crowd.served():
        await crowd.ended()
    await agree(world, crowd.ledger)


def _stop(shop: Shop, *names: str) -> None:
    """Stops them concurrently, since each may take a while."""
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(shop.stop, names))
