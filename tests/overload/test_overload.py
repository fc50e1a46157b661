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
"""Seconds within which a rejection is answered, also while everything is at its limit. Where the machine is so busy
that even health takes longer at that moment: twice as long as health."""
GROWTH = 1.1


class Crowd:
    """`clients` that order as fast as they get responses, and retry at once when rejected, against the protocol."""

    def __init__(self, replica: Replica, product: UUID) -> None:
        self.answers: Counter[int] = Counter()
        self.rejected = 0
        self.without_hint = 0
        self.slowest_rejection = 0.0
        self._url = f"{replica.url}/orders"
        self._body = {"lines": [{"product_id": str(product), "quantity": 1}], "ship_to": SHIP_TO}
        self._authorization = f"Bearer {tokens.token(role='User', exp=int(time.time()) + 3600)}"

    async def press(self, seconds: float, clients: int = CLIENTS) -> None:
        self._end = time.monotonic() + seconds
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:

            async def client() -> None:
                while time.monotonic() < self._end:
                    await self.order(http)

            await asyncio.gather(*(client() for _ in range(clients)))

    def leave(self) -> None:
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
        if b"overloaded" in body:  # what waited for the lock in vain is a 503, too
            self.rejected += 1
            self.slowest_rejection = max(self.slowest_rejection, time.monotonic() - began)
        return answer.status


class Place:
    """A process that takes on little, what there is to order, and its database."""

    def __init__(self, replica: Replica, product: UUID, database_url: str) -> None:
        self.replica, self.product, self.database_url = replica, product, database_url

    async def answers_again(self) -> None:
        """Waits until a single customer is served normally."""
        crowd = Crowd(self.replica, self.product)
        async with aiohttp.ClientSession() as http:
            for _ in range(20):
                began = time.monotonic()
                assert await crowd.order(http) == 201
                assert time.monotonic() - began < SOON


async def slowest_health(url: str, http: aiohttp.ClientSession) -> float:
    """Of ten answers, one after the other: the longest, in seconds."""
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        async with http.get(f"{url}/health/live") as answer:
            assert answer.status == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.fixture
async def place(server_directory: Path) -> AsyncIterator[Place]:
    [port] = ports.lease()
    async with serve("order_service", **secrets()) as served:
        settings = {"MAX_REQUESTS_IN_FLIGHT": str(IN_FLIGHT), "DRAIN_SECONDS": "0", "SERVICE_ROLE": "api"}
        replica = Replica("order_service", served.database_url, port, server_directory, **settings)
        try:
            product = await Shop(served).product()
            await replica.start()
            yield Place(replica, product, served.database_url)
        finally:
            replica.kill()
            ports.release([port])


@pytest.mark.parametrize("seconds", [6, pytest.param(300, marks=[pytest.mark.long, pytest.mark.timeout(500)])])
async def test_excess_requests_are_rejected_at_once(place: Place, seconds: int) -> None:
    crowd = Crowd(place.replica, place.product)
    await crowd.press(seconds / 3)  # by then everything is as large as it gets
    before = place.replica.memory
    await crowd.press(seconds * 2 / 3)
    assert set(crowd.answers) == {201, 503}, crowd.answers
    assert crowd.without_hint == 0
    assert crowd.answers[201] > 20 * seconds, crowd.answers
    assert place.replica.memory <= before * GROWTH
    await place.answers_again()


async def test_no_queue_grows_while_the_database_is_frozen(place: Place) -> None:
    """Health checks are answered, excess requests are rejected at once, and afterwards the service works normally."""
    crowd = Crowd(place.replica, place.product)
    holder = await asyncpg.connect(place.database_url)
    async with aiohttp.ClientSession() as http:
        async with holder.transaction():
            await holder.execute("LOCK TABLE orders")
            pressing = asyncio.create_task(crowd.press(60))
            health = asyncio.create_task(slowest_health(place.replica.url, http))

            async def rejected() -> bool:
                return crowd.rejected > CLIENTS

            await until("it rejects", rejected)
            crowd.leave()
            assert crowd.slowest_rejection < max(SOON, 2 * await health)
        await pressing
    await holder.close()
    assert set(crowd.answers) <= {201, 503}
    await place.answers_again()
