"""A cluster of three brokers loses one while customers buy, and then another, without which nothing is published."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from local_stack import ports
from local_stack.kafka import EmbeddedKafka, new_cluster_id
from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld
from tests.chaos.run import PLENTY
from tests.drills.customers import DrillCustomers
from tests.system.books import differences
from tests.system.world import until

BROKERS = 3
TIMEOUT = 120.0
REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}
RESERVED = """
SELECT min(h.at) FROM order_history h JOIN orders o ON o.id = h.order_id
WHERE o.created_at > $1 AND h.from_status = 'pending' AND h.to_status = 'awaiting_payment'
"""
"""A customer can cancel a pending order without a broker, but no reservation is known without one."""
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"


@dataclass
class Brokers:
    servers: list[EmbeddedKafka]

    @property
    def addresses(self) -> str:
        return ",".join(server.bootstrap_servers for server in self.servers)

    def start(self, *servers: EmbeddedKafka) -> None:
        """Starts several at a time, since none is ready before the controllers have a majority."""
        with ThreadPoolExecutor(len(servers)) as threads:
            list(threads.map(EmbeddedKafka.start, servers))


@contextmanager
def three_brokers(directory: Path) -> Iterator[Brokers]:
    """A cluster in which every broker is a controller too, and has every partition."""
    shutil.rmtree(directory, ignore_errors=True)
    leased, cluster = ports.lease(2 * BROKERS), new_cluster_id()
    pairs = list(zip(leased[::2], leased[1::2], strict=True))
    voters = ",".join(f"{node}@127.0.0.1:{controller}" for node, (_, controller) in enumerate(pairs, 1))
    brokers = Brokers([])
    for node, (port, controller) in enumerate(pairs, 1):
        settings = REPLICATED | {"node.id": str(node), "controller.quorum.voters": voters}
        path = directory / f"broker-{node}"
        brokers.servers.append(
            EmbeddedKafka(path, port, controller, heap="256m", settings=settings, cluster_id=cluster)
        )
    try:
        brokers.start(*brokers.servers)
        yield brokers
    finally:
        for server in brokers.servers:
            server.kill()
        ports.release(leased)


@dataclass
class Result:
    """`accepted_*`: orders that were accepted while one or two brokers were down. `unpublished`: events of the order
    service that waited when the brokers returned. Seconds: from the kill of one broker until stock was reserved for an
    order that was placed afterwards; from the start of the brokers until the same, and until all that waited was
    published."""

    orders: int = 0
    accepted_without_one: int = 0
    reserved_without_one_seconds: float = 0.0
    accepted_without_two: int = 0
    unpublished: int = 0
    reserved_after_seconds: float = 0.0
    drained_seconds: float = 0.0
    server_errors: int = 0
    violations: list[str] = field(default_factory=list)


async def lose_brokers(shop: Shop, brokers: Brokers, seconds: float = 20) -> Result:
    """Customers buy for `seconds` with all brokers, with two, with one, and with all again."""
    result = Result()
    async with ChaosWorld(shop, TIMEOUT) as world:
        customers = DrillCustomers(world)
        await customers.prepare(stock=PLENTY)
        drill = _Drill(shop, brokers, customers, result)
        async with customers.fulfilling():
            async with asyncio.TaskGroup() as tasks:
                enough = asyncio.Event()
                tasks.create_task(customers.place_orders(enough))
                await asyncio.sleep(seconds)
                await drill.lose_one(seconds)
                await drill.lose_another(seconds)
                await asyncio.sleep(seconds)
                enough.set()
            with suppress(AssertionError):  # the check of the books names unfinished orders
                await customers.wait_for_ends()
        found = await differences(world, customers.ledger)
        result.violations = [*map(str, found), *customers.failures]
        result.orders = len(customers.ledger.orders)
        result.server_errors = sum(world.unclear.values())
    return result


class _Drill:
    def __init__(self, shop: Shop, brokers: Brokers, customers: DrillCustomers, result: Result) -> None:
        self._shop = shop
        self._brokers = brokers
        self._customers = customers
        self._result = result

    async def lose_one(self, seconds: float) -> None:
        began, before = time.monotonic(), self._accepted
        await asyncio.to_thread(self._brokers.servers[0].kill)
        self._result.reserved_without_one_seconds = await self._reserved(datetime.now(UTC))
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        self._result.accepted_without_one = self._accepted - before

    async def lose_another(self, seconds: float) -> None:
        """One of three controllers elects nobody, and one replica of each partition is fewer than acknowledge."""
        before = self._accepted
        await asyncio.to_thread(self._brokers.servers[1].kill)
        await asyncio.sleep(seconds)
        self._result.accepted_without_two = self._accepted - before
        self._result.unpublished = await self._unpublished()
        began, returned = time.monotonic(), datetime.now(UTC)
        await asyncio.to_thread(self._brokers.start, *self._brokers.servers[:2])
        async with asyncio.TaskGroup() as tasks:
            reserved = tasks.create_task(self._reserved(returned))
            await self._drained(returned)
            self._result.drained_seconds = round(time.monotonic() - began, 1)
        self._result.reserved_after_seconds = reserved.result()

    @property
    def _accepted(self) -> int:
        return len(self._customers.ledger.orders)

    async def _reserved(self, since: datetime) -> float:
        """Seconds until stock was reserved for an order that was placed since then."""
        database = await asyncpg.connect(self._shop.database_url("order"))
        try:
            at: datetime = await until("stock is reserved", lambda: database.fetchval(RESERVED, since), TIMEOUT)
        finally:
            await database.close()
        return round((at - since).total_seconds(), 1)

    async def _unpublished(self) -> int:
        database = await asyncpg.connect(self._shop.database_url("order"))
        try:
            return int(await database.fetchval(UNPUBLISHED))
        finally:
            await database.close()

    async def _drained(self, since: datetime) -> None:
        """Returns when every event from before `since` is published."""
        database = await asyncpg.connect(self._shop.database_url("order"))

        async def drained() -> bool:
            return not await database.fetchval(f"{UNPUBLISHED} AND time < $1", since)

        try:
            await until("the outbox is drained", drained, TIMEOUT)
        finally:
            await database.close()
