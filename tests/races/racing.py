"""Runs concurrent requests and checks the results."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from local_stack.parts import SERVICES
from tests.system.books import differences
from tests.system.customers import Ledger
from tests.system.world import Person, World, until

SPREAD = 0.03
"""Requests start within so many seconds: long enough that each may be first, short enough that they overlap."""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
UNSETTLED = """
SELECT (SELECT count(*) FROM payments WHERE order_id = ANY($1) AND status = 'pending')
     + (SELECT count(*) FROM refunds WHERE order_id = ANY($1) AND status = 'requested')
     + (SELECT count(*) FROM orders WHERE id = ANY($1) AND status IN ('pending', 'cancelling'))
"""


async def race(*racers: Coroutine[Any, Any, Any], spread: float = SPREAD) -> list[Any]:
    """Runs them concurrently, each from a random moment on. Returns their results in the given order."""

    async def begin(racer: Coroutine[Any, Any, Any]) -> Any:
        await asyncio.sleep(random.uniform(0, spread))
        return await racer

    return list(await asyncio.gather(*(begin(racer) for racer in racers)))


@asynccontextmanager
async def without_deadlocks(world: World) -> AsyncIterator[None]:
    """PostgreSQL resolves a deadlock by aborting a transaction, which a retry hides; so this reads its deadlock
    counters."""
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
    """Returns when no payment or refund of these orders is open, and no order waits for inventory."""
    database = await asyncpg.connect(world.shop.database_url("order"))
    ids = [UUID(id) for id in order_ids]

    async def holds() -> bool:
        return not await database.fetchval(UNSETTLED, ids)

    try:
        await until("orders and their money are settled", holds)
    finally:
        await database.close()


async def books_agree(world: World) -> None:
    """Compares the money, stock and events of the whole shop. Fails with the differences."""
    found = await differences(world, Ledger())
    assert [str(violation) for violation in found[:20]] == [], f"{len(found)} violations"


async def money(person: Person, order_id: str) -> tuple[int, int]:
    """(captured, refunded): the sums of the payments and refunds of the order."""
    payments = (await person.call("order", "GET", f"/orders/{order_id}/payments", params={"limit": 100}))["items"]
    captured = sum(payment["amount"]["amount"] for payment in payments if payment["status"] == "succeeded")
    back = 0
    for payment in payments:
        path = f"/payments/{payment['id']}/refunds"
        refunds = (await person.call("order", "GET", path, params={"limit": 100}))["items"]
        back += sum(refund["amount"]["amount"] for refund in refunds if refund["status"] == "succeeded")
    return captured, back
