"""How races are run and judged."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from local_stack.parts import SERVICES
from tests.system.books import differences
from tests.system.crowd import Ledger
from tests.system.world import Person, World, until

SPREAD = 0.03
"""Seconds between which racers start: long enough that each of two may win, short enough that they meet."""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
UNSETTLED = """
SELECT (SELECT count(*) FROM payments WHERE order_id = ANY($1) AND status = 'pending')
     + (SELECT count(*) FROM refunds WHERE order_id = ANY($1) AND status = 'requested')
     + (SELECT count(*) FROM orders WHERE id = ANY($1) AND status IN ('pending', 'cancelling'))
"""


async def race(*racers: Coroutine[Any, Any, Any], spread: float = SPREAD) -> list[Any]:
    """Lets them run against each other, each from some moment on; their results in the order given."""

    async def begin(racer: Coroutine[Any, Any, Any]) -> Any:
        await asyncio.sleep(random.uniform(0, spread))
        return await racer

    return list(await asyncio.gather(*(begin(racer) for racer in racers)))


@asynccontextmanager
async def without_deadlocks(world: World) -> AsyncIterator[None]:
    """PostgreSQL ends a deadlock by calling one of the two off, and whoever tries again hides it: it counts them."""
    before = await _deadlocks(world)
    yield
    await asyncio.sleep(1.1)  # a backend reports its counts once a second at most
    assert await _deadlocks(world) == before


async def _deadlocks(world: World) -> dict[str, int]:
    found = {}
    for service in SERVICES:
        database = await asyncpg.connect(world.shop.database_url(service.name))
        found[service.name] = await database.fetchval(DEADLOCKS)
        await database.close()
    return found


async def settled(world: World, *order_ids: str) -> None:
    """Once no payment or refund of these orders is open, and none waits for inventory."""
    database = await asyncpg.connect(world.shop.database_url("order"))
    ids = [UUID(id) for id in order_ids]

    async def holds() -> bool:
        return not await database.fetchval(UNSETTLED, ids)

    try:
        await until("orders and their money are settled", holds)
    finally:
        await database.close()


async def books_agree(world: World) -> None:
    """The whole shop's money, stock and events. Fails with what is wrong with them."""
    found = await differences(world, Ledger())
    assert [str(violation) for violation in found[:20]] == [], f"{len(found)} violations"


async def money(person: Person, order_id: str) -> tuple[int, int]:
    """(captured, refunded), as the order's payments and refunds say."""
    payments = (await person.call("order", "GET", f"/orders/{order_id}/payments", params={"limit": 100}))["items"]
    captured = sum(payment["amount"]["amount"] for payment in payments if payment["status"] == "succeeded")
    back = 0
    for payment in payments:
        path = f"/payments/{payment['id']}/refunds"
        refunds = (await person.call("order", "GET", path, params={"limit": 100}))["items"]
        back += sum(refund["amount"]["amount"] for refund in refunds if refund["status"] == "succeeded")
    return captured, back
