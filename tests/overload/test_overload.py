"""An overloaded process rejects excess requests at once, does not grow, and recovers by itself."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from local_stack import ports
from order_service.tests.conftest import SHIP_TO, Shop, secrets
from tests.harness import tokens
from tests.harness.service import serve
from tests.overload.replicas import Replica
from tests.system.world import until

CLIENTS = 200
IN_FLIGHT = 32
SOON = 1.0
"""A rejection must be answered within so many seconds, or within twice the time of a health check at that moment, if
that is longer because the machine is busy."""
GROWTH = 1.1


class Load:
    """Clients that send an order as soon as they have a response, and ignore `Retry-After`."""

    def __init__(self, replica: Replica, product: UUID) -> None:
        self.answers: Counter[int] = Counter()
        self.rejected = 0
        self.without_hint = 0
        self.slowest_rejection = 0.0
        self._url = f"{replica.url}/orders"
        self._body = {"lines": [{"product_id": str(product), "quantity": 1}], "ship_to": SHIP_TO}
        self._authorization = f"Bearer {tokens.token(role='User', exp=int(time.time()) + 3600)}"

    async def run(self, seconds: float, clients: int = CLIENTS) -> None:
        self._end = time.monotonic() + seconds
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:

            async def client() -> None:
                while time.monotonic() < self._end:
                    await self.order(http)

            await asyncio.gather(*(client() for _ in range(clients)))

    def stop(self) -> None:
        """Stops all clients after their present request."""
        self._end = 0.0

    async def order(self, http: aiohttp.ClientSession) -> int:
        headers = {"Authorization": self._authorization, "Idempotency-Key": str(uuid4())}
        began = time.monotonic()
        async with http.post(self._url, json=self._body, headers=headers) as answer:
            body = await answer.read()
        self.answers[answer.status] += 1
        if answer.status == 503:
            self.without_hint += "Retry-After" not in answer.headers
        if b"overloaded" in body:  # a lock time-out is a 503, too, but no rejection
            self.rejected += 1
            self.slowest_rejection = max(self.slowest_rejection, time.monotonic() - began)
        return answer.status


class LimitedService:
    """A process with a low limit of concurrent requests, a product to order, and the process's database."""

    def __init__(self, replica: Replica, product: UUID, database_url: str) -> None:
        self.replica, self.product, self.database_url = replica, product, database_url

    async def assert_recovered(self) -> None:
        """Waits until a single customer is served normally."""
        load = Load(self.replica, self.product)
        async with aiohttp.ClientSession() as http:
            for _ in range(20):
                began = time.monotonic()
                assert await load.order(http) == 201
                assert time.monotonic() - began < SOON


async def slowest_health(url: str, http: aiohttp.ClientSession) -> float:
    """The seconds of the slowest of ten successive health checks."""
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        async with http.get(f"{url}/health/live") as answer:
            assert answer.status == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.fixture
async def limited(server_directory: Path) -> AsyncIterator[LimitedService]:
    [port] = ports.lease()
    async with serve("order_service", **secrets()) as served:
        settings = {"MAX_REQUESTS_IN_FLIGHT": str(IN_FLIGHT), "DRAIN_SECONDS": "0", "SERVICE_ROLE": "api"}
        replica = Replica("order_service", served.database_url, port, server_directory, **settings)
        try:
            product = await Shop(served).product()
            await replica.start()
            yield LimitedService(replica, product, served.database_url)
        finally:
            replica.kill()
            ports.release([port])


@pytest.mark.parametrize("seconds", [6, pytest.param(300, marks=[pytest.mark.long, pytest.mark.timeout(500)])])
async def test_excess_requests_are_rejected_at_once(limited: LimitedService, seconds: int) -> None:
    load = Load(limited.replica, limited.product)
    await load.run(seconds / 3)  # caches and pools reach their size
    before = limited.replica.memory
    await load.run(seconds * 2 / 3)
    assert set(load.answers) == {201, 503}, load.answers
    assert load.without_hint == 0
    assert load.answers[201] > 20 * seconds, load.answers
    assert limited.replica.memory <= before * GROWTH
    await limited.assert_recovered()


async def test_no_queue_grows_while_the_database_is_frozen(limited: LimitedService) -> None:
    """Health checks are answered, excess requests are rejected at once, and afterwards the service works normally."""
    load = Load(limited.replica, limited.product)
    holder = await asyncpg.connect(limited.database_url)
    async with aiohttp.ClientSession() as http:
        async with holder.transaction():
            await holder.execute("LOCK TABLE orders")
            running = asyncio.create_task(load.run(60))
            health = asyncio.create_task(slowest_health(limited.replica.url, http))

            async def rejected() -> bool:
                return load.rejected > CLIENTS

            await until("requests are rejected", rejected)
            load.stop()
            assert load.slowest_rejection < max(SOON, 2 * await health)
        await running
    await holder.close()
    assert set(load.answers) <= {201, 503}
    await limited.assert_recovered()
