"""Services are killed while 200 orders are processed: nothing is lost or duplicated."""

import asyncio

import pytest

from tests.system.books import agree
from tests.system.crowd import Crowd
from tests.system.world import World

ORDERS = 200
VICTIMS = ("user", "product", "inventory", "order", "notification", "gateway")


@pytest.mark.parametrize(
    "victims",
    [VICTIMS, *(pytest.param((name,), marks=pytest.mark.long) for name in VICTIMS)],
    ids="+".join,
)
async def test_killed_processes_lose_and_duplicate_nothing(world: World, victims: tuple[str, ...]) -> None:
    """The services are killed one after the other."""
    crowd = Crowd(world, orders=ORDERS)
    await crowd.prepare()
    pids = {name: world.shop.pid(name) for name in victims}
    async with asyncio.TaskGroup() as tasks:
        shopping = tasks.create_task(crowd.shop())
        for number, name in enumerate(victims, start=1):
            await crowd.placed(ORDERS * number // (len(victims) + 2))
            await asyncio.to_thread(world.shop.kill, name)
        assert len(crowd.ledger.answers) < ORDERS, "they were to be killed in the middle"
        await shopping
    await asyncio.gather(*(asyncio.to_thread(world.shop.wait_ready, name) for name in victims))
    assert all(world.shop.pid(name) != pid for name, pid in pids.items())
    assert len(crowd.ledger.orders) == ORDERS
    await agree(world, crowd.ledger)
