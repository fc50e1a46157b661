"""Orders are accepted while the broker or the other services are down, and all are completed afterwards."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from local_stack.shop import Shop
from tests.system.books import agree
from tests.system.customers import PRODUCTS, Customers
from tests.system.world import World

ORDERS = 200
OTHERS = ("user", "product", "inventory", "notification", "gateway", "mailbox")


async def test_the_broker_is_killed_and_restarted_under_load(world: World) -> None:
    customers = Customers(world, orders=ORDERS, customers=20)
    await customers.prepare()
    async with asyncio.TaskGroup() as tasks:
        shopping = tasks.create_task(customers.buy())
        await customers.wait_for_orders(ORDERS // 4)
        await asyncio.to_thread(world.shop.kill, "kafka")
        await asyncio.to_thread(world.shop.stop, "kafka")  # before the supervisor has restarted it
        before = len(customers.ledger.answers)
        await customers.wait_for_orders(before + ORDERS // 4)
        assert not world.shop.is_ready("kafka"), "these orders must be accepted without the broker"
        await asyncio.to_thread(world.shop.start, "kafka")
        await shopping
    assert len(customers.ledger.orders) == ORDERS
    await agree(world, customers.ledger)


async def test_orders_are_placed_while_all_other_services_are_down(world: World) -> None:
    customers = Customers(world)
    await customers.prepare()
    people = await customers.register(10)
    await asyncio.gather(
        *(customers.order(people[n], n) for n in range(PRODUCTS))
    )  # until the order service knows them
    await asyncio.to_thread(_stop, world.shop, *OTHERS)
    await asyncio.to_thread(_stop, world.shop, "kafka")

    orders = await asyncio.gather(*(customers.order(people[n % 10], n) for n in range(60)))
    assert {order["status"] for order in orders} == {"pending"}

    for name in ("kafka", *OTHERS):
        await asyncio.to_thread(world.shop.start, name)
    await asyncio.to_thread(world.shop.wait_ready)
    async with customers.fulfilling():
        await customers.wait_for_ends()
    await agree(world, customers.ledger)


def _stop(shop: Shop, *names: str) -> None:
    """Stops the processes concurrently, since each may take a while."""
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(shop.stop, names))
