"""Services are killed while 200 orders are processed: nothing is lost or duplicated."""

import asyncio

import pytest

from tests.system.books import agree
from tests.system.customers import Customers
from tests.system.world import World

ORDERS = 200
TARGETS = ("user", "product", "inventory", "order", "notification", "gateway")


@pytest.mark.parametrize(
    "targets",
    [TARGETS, *(pytest.param((name,), marks=pytest.mark.long) for name in TARGETS)],
    ids="+".join,
)
async def test_killed_processes_lose_and_duplicate_nothing(world: World, targets: tuple[str, ...]) -> None:
    """The services are killed one after the other."""
    customers = Customers(world, orders=ORDERS)
    await customers.prepare()
    pids = {name: world.shop.pid(name) for name in targets}
    async with asyncio.TaskGroup() as tasks:
        shopping = tasks.create_task(customers.buy())
        for number, name in enumerate(targets, start=1):
            await customers.wait_for_orders(ORDERS * number // (len(targets) + 2))
            await asyncio.to_thread(world.shop.kill, name)
        assert len(customers.ledger.answers) < ORDERS, "the services must be killed before all orders are placed"
        await shopping
    await asyncio.gather(*(asyncio.to_thread(world.shop.wait_ready, name) for name in targets))
    assert all(world.shop.pid(name) != pid for name, pid in pids.items())
    assert len(customers.ledger.orders) == ORDERS
    await agree(world, customers.ledger)
