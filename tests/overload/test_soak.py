"""A shop at half of its capacity for half an hour: no resource grows, except for the orders.

`SOAK_SECONDS` changes the length of the run.
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
from tests.system.customers import Customers
from tests.system.world import Person, World, until

SECONDS = int(os.environ.get("SOAK_SECONDS", "1800"))
MEASURED_SECONDS = 20.0
"""The number of seconds in which the capacity is measured."""
CLIENTS = 16
KEPT = {
    "OUTBOX_RETENTION": "PT30S",
    "INBOX_RETENTION": "PT30S",
    "IDEMPOTENCY_RETENTION": "PT30S",
    "USER_ACCESS_TOKEN_MINUTES": "1",
}
PRUNED_WITHIN = 150
"""Seconds. Rows are kept for 30 s, and a job deletes older ones once a minute."""
OLD = {
    "outbox": "SELECT count(*) FROM outbox WHERE published_at < now() - interval '30 seconds'",
    "inbox": "SELECT count(*) FROM inbox WHERE received_at < now() - interval '30 seconds'",
    "idempotency_keys": "SELECT count(*) FROM idempotency_keys WHERE created_at < now() - interval '30 seconds'",
}
HAS_TABLE = "SELECT to_regclass($1) IS NOT NULL"


@pytest.fixture
def pruning_shop() -> Iterator[Shop]:
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
    pruning_shop: Shop, seconds: int, growth: float, record_property: Callable[[str, object], None]
) -> None:
    """The report of pytest (`--junitxml`) has the figures."""
    async with World(pruning_shop) as world:
        customers = Customers(world)
        await customers.prepare(stock=10_000_000)
        async with customers.fulfilling():
            rate = await capacity(customers) / 2
            record_property("orders a second", round(rate, 1))
            already = len(customers.ledger.orders)
            await order_at_rate(customers, rate, seconds / 3)
            before = memory(pruning_shop)
            await order_at_rate(customers, rate, seconds * 2 / 3)
            after = memory(pruning_shop)
            await customers.wait_for_ends(within=120)
        await until("every event is handled", lambda: no_lag(pruning_shop))
    record_property("orders", len(customers.ledger.orders))
    record_property("bytes", f"{before} → {after}")
    assert len(customers.ledger.orders) - already > seconds * rate * 0.8, "the shop did not keep up with the orders"
    grown = {name: after[name] / before[name] for name in before if after[name] > before[name] * growth}
    assert grown == {}, f"{before} → {after}"
    await until("old rows are gone", lambda: no_old_rows(pruning_shop), within=PRUNED_WITHIN)


async def capacity(customers: Customers) -> float:
    """Completed orders a second, when each customer orders again as soon as there is a response."""
    began, numbers = time.monotonic(), count()

    async def buy(customer: Person) -> None:
        while time.monotonic() < began + MEASURED_SECONDS:
            await customers.order(customer, next(numbers))

    await asyncio.gather(*map(buy, await customers.register(CLIENTS)))
    await customers.wait_for_ends(within=120)
    return len(customers.ledger.orders) / (time.monotonic() - began)


async def order_at_rate(customers: Customers, rate: float, seconds: float) -> None:
    """Places `rate` orders a second, regardless of how long each takes."""
    people = await customers.register(CLIENTS)
    began, already = time.monotonic(), len(customers.ledger.answers)
    async with asyncio.TaskGroup() as orders:
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            orders.create_task(customers.order(people[number % CLIENTS], already + number))


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
