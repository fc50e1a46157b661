"""What a drill works on: a shop under load, and the servers that watch it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from deploy.monitoring.rules import Group
from local_stack import ports
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld, CustomerStream
from tests.chaos.proxied import ProxiedShop
from tests.harness.server import listening
from tests.monitoring.receiver import Receiver
from tests.monitoring.scaling import GROUPS
from tests.monitoring.servers import Alertmanager, Prometheus, Targets, scratch
from tests.system.world import Person

RATE = 3.0
"""Orders a second: little load, and no more than a few seconds between two events of any kind."""
PLENTY = 100_000
WARM_ORDERS = 30
"""The first requests of a new process are slow. They are over before Prometheus looks."""


class Buyers(CustomerStream):
    """All of them have good cards, so that no call to the gateway fails unless the gateway does. Each reads the
    notifications after an order, so that every service gets requests."""

    async def order(self, customer: Person, number: int) -> dict[str, Any]:
        order = await super().order(customer, number)
        await customer.call("notification", "GET", "/notifications")
        return order

    def card(self, number: int, *, again: bool = False) -> str:
        return "tok_ok"


@dataclass(frozen=True)
class Watch:
    prometheus: Prometheus
    receiver: Receiver


@dataclass(frozen=True)
class Bench(Watch):
    shop: ProxiedShop
    world: ChaosWorld

    async def execute(self, service: str, statement: str) -> None:
        """Executes SQL in the service's database, with the role that owns the tables."""
        connection = await asyncpg.connect(self.shop.database_url(service))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def bench(shop: ProxiedShop) -> AsyncIterator[Bench]:
    """The shop under load, and the servers, until the block ends."""
    async with ChaosWorld(shop) as world:
        buyers = Buyers(world, RATE)
        await buyers.prepare(stock=PLENTY)
        enough = asyncio.Event()
        async with buyers.fulfilling():
            selling = asyncio.create_task(buyers.place_orders(enough))
            await buyers.wait_for_orders(WARM_ORDERS)
            async with watching(targets(shop)) as watch:
                try:
                    yield Bench(watch.prometheus, watch.receiver, shop, world)
                finally:
                    enough.set()
                    await selling


@asynccontextmanager
async def watching(targets: Targets, groups: Sequence[Group] = GROUPS) -> AsyncIterator[Watch]:
    """A Prometheus with these rules, an Alertmanager, and the receiver of its notifications."""
    receiver, leased = Receiver(), ports.lease(3)
    own, alerting, scraping = leased
    with scratch() as directory:
        manager = Alertmanager(directory, alerting, f"http://127.0.0.1:{own}", receiver.token)
        prometheus = Prometheus(directory, scraping, groups, targets, manager.url)
        try:
            async with listening(receiver.app, own):
                await asyncio.to_thread(manager.start)
                await asyncio.to_thread(prometheus.start)
                yield Watch(prometheus, receiver)
        finally:
            for server in (prometheus, manager):
                await asyncio.to_thread(server.stop)
            ports.release(leased)


def targets(shop: Shop) -> dict[str, list[str]]:
    """The operations address of each service."""
    return {each.name: [shop.operations_url(each.name).removeprefix("http://")] for each in SERVICES}
