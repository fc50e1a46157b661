"""A shop at half of its capacity for half an hour: no resource grows, except for the orders.

`SOAK_SECONDS` makes a shorter or longer run of it.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import psutil
import pytest

from local_stack.lag import consumer_lag
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tests.conftest import SETTINGS
from tests.system.crowd import Crowd
from tests.system.world import Person, World, until

SECONDS = int(os.environ.get("SOAK_SECONDS", "1800"))
PRESSED = 20.0
"""Seconds in which the capacity is measured."""
CLIENTS = 16
KEPT = {
    "OUTBOX_RETENTION": "PT30S",
    "INBOX_RETENTION": "PT30S",
    "IDEMPOTENCY_RETENTION": "PT30S",
    "USER_ACCESS_TOKEN_MINUTES": "1",
}
PRUNED_WITHIN = 150
"""Seconds: what is kept for thirty is looked at once a minute."""
OLD = {
    "outbox": "SELECT count(*) FROM outbox WHERE published_at < now() - interval '30 seconds'",
    "inbox": "SELECT count(*) FROM inbox WHERE received_at < now() - interval '30 seconds'",
    "idempotency_keys": "SELECT count(*) FROM idempotency_keys WHERE created_at < now() - interval '30 seconds'",
}
HAS_TABLE = "SELECT to_regclass($1) IS NOT NULL"


@pytest.fixture
def tidy_shop() -> Iterator[Shop]:
    """A shop with short retention times."""
    directory = Path(tempfile.mkdtemp(prefix="online-mart-soak-"))
    directory.chmod(0o711)
    shop = Shop(directory, settings={**SETTINGS, "LOG_LEVEL": "WARNING", **KEPT}, free_ports=True)
    try:
        shop.up()
        yield shop
    finally:
        shop.down()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.long
@pytest.mark.parametrize(
    ("seconds", "growth"),
    [
        pytest.param(90, 1.10, marks=pytest.mark.timeout(600)),
        pytest.param(SECONDS, 1.05, marks=pytest.mark.timeout(SECONDS + 900)),
    ],
    ids=["short", "half-an-hour"],
)
async def test_resources_do_not_grow(
    tidy_shop: Shop, seconds: int, growth: float, record_property: Callable[[str, object], None]
) -> None:
    """The report (`--junitxml`) has the figures."""
    async with World(tidy_shop) as world:
        crowd = Crowd(world)
        await crowd.prepare(stock=10_000_000)
        async with crowd.served():
            rate = await capacity(crowd) / 2
            record_property("orders a second", round(rate, 1))
            already = len(crowd.ledger.orders)
            await shopping(crowd, rate, seconds / 3)
            before = memory(tidy_shop)
            await shopping(crowd, rate, seconds * 2 / 3)
            after = memory(tidy_shop)
            await crowd.ended(within=120)
        await until("every event was heard", lambda: no_lag(tidy_shop))
    record_property("orders", len(crowd.ledger.orders))
    record_property("bytes", f"{before} → {after}")
    assert len(crowd.ledger.orders) - already > seconds * rate * 0.8, "it could not keep up with what was asked of it"
    grown = {name: after[name] / before[name] for name in before if after[name] > before[name] * growth}
    assert grown == {}, f"{before} → {after}"
    await until("old rows are gone", lambda: no_old_rows(tidy_shop), within=PRUNED_WITHIN)


async def capacity(crowd: Crowd) -> float:
    """Orders a second that reach their end, when customers come as fast as they are answered."""
    began, numbers = time.monotonic(), count()

    async def buy(customer: Person) -> None:
        while time.monotonic() < began + PRESSED:
            await crowd.order(customer, next(numbers))

    await asyncio.gather(*map(buy, await crowd.arrive(CLIENTS)))
    await crowd.ended(within=120)
    return len(crowd.ledger.orders) / (time.monotonic() - began)


async def shopping(crowd: Crowd, rate: float, seconds: float) -> None:
    """So many orders a second, however long each takes."""
    customers = await crowd.arrive(CLIENTS)
    began, already = time.monotonic(), len(crowd.ledger.answers)
    async with asyncio.TaskGroup() as orders:
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            orders.create_task(crowd.order(customers[number % CLIENTS], already + number))


def memory(shop: Shop) -> dict[str, int]:
    """Resident bytes of each service."""
    return {each.name: psutil.Process(shop.pid(each.name)).memory_info().rss for each in SERVICES}


async def no_lag(shop: Shop) -> bool:
    groups = [shop.layout.topic_prefix + each.package for each in SERVICES]
    lags = await asyncio.to_thread(consumer_lag, shop.kafka, groups)
    return not any(lags.values())


async def no_old_rows(shop: Shop) -> bool:
    for each in SERVICES:
        database = await asyncpg.connect(shop.database_url(each.name))
        try:
            for table, count in OLD.items():
                if await database.fetchval(HAS_TABLE, table) and await database.fetchval(count):
                    return False
        finally:
            await database.close()
    return True
