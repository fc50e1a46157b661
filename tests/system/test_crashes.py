"""`kill -9` in the middle of 200 orders: nothing is lost, and nothing happens twice."""

import asyncio

import pytest

from tests.system.books import agree
from tests.system.crowd import Crowd
from tests.system.world import World

ORDERS = 200


@pytest.mark.parametrize("victim", ["user", "product", "inventory", "order", "notification", "gateway"])
async def test_a_killed_process_loses_and_doubles_nothing(world: World, victim: str) -> None:
    crowd = Crowd(world, orders=ORDERS)
    await crowd.prepare()
    pid = world.shop.pid(victim)
    async with asyncio.TaskGroup() as tasks:
        shopping = tasks.create_task(crowd.shop())
        await crowd.placed(ORDERS // 3)
        await asyncio.to_thread(world.shop.kill, victim)
        assert len(crowd.ledger.answers) < ORDERS, "it was to be killed in the middle"
        await shopping
    await asyncio.to_thread(world.shop.wait_ready, victim)
    assert world.shop.pid(victim) != pid
    assert len(crowd.ledger.orders) == ORDERS
    await agree(world, crowd.ledger)
