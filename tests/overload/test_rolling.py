"""Two replicas of a service are replaced one after the other while customers buy: no request fails."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from local_stack import ports
from order_service.tests.conftest import SHIP_TO, Shop, secrets
from service_kit.messaging.administration import create_topics
from service_kit.messaging.connection import KafkaConnection
from tests.harness import tokens
from tests.harness.service import NEEDED, serve
from tests.overload.balancer import balanced
from tests.overload.replicas import Replica
from tests.system.world import until

CUSTOMERS = 8
LONGEST_STOP = 20
PATHS = {
    "user_service": "/.well-known/jwks.json",
    "product_service": "/products",
    "inventory_service": "/stock",
    "notification_service": "/notifications",
}


class Customers:
    """Clients that repeat requests, each over its own persistent connection. `failed`: the failures."""

    def __init__(self, url: str, product: UUID | None, path: str) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self.are_done = False
        self._url = url
        self._product = product
        self._path = path

    async def send_requests(self) -> None:
        headers = {"Authorization": f"Bearer {tokens.token(role='Admin')}"}
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=20) as client:
            while not self.are_done:
                try:
                    answer = await self._ask(client)
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    continue
                if answer.is_success:
                    self.answered += 1
                else:
                    self.failed.append(f"{answer.status_code} {answer.text}")
                await asyncio.sleep(0.01)

    async def _ask(self, client: httpx.AsyncClient) -> httpx.Response:
        if self._product is None or self.answered % 2:
            return await client.get(self._path)
        body = {"lines": [{"product_id": str(self._product), "quantity": 1}], "ship_to": SHIP_TO}
        return await client.post("/orders", json=body, headers={"Idempotency-Key": str(uuid4())})


async def roll(service: str, kafka: str, directory: Path, rounds: int, drain: float = 1) -> None:
    """Replaces consumers and relay too, and then waits until all events of the orders are published."""
    leased = ports.lease(3)
    prefix = f"test-{uuid4().hex[:12]}-"
    await create_topics(KafkaConnection.plain(kafka), prefix)
    settings = {"DRAIN_SECONDS": str(drain), "KAFKA_BOOTSTRAP_SERVERS": kafka, "KAFKA_TOPIC_PREFIX": prefix}
    async with AsyncExitStack() as stack:
        stack.callback(ports.release, leased)
        served = await stack.enter_async_context(serve(service, **NEEDED.get(service.removesuffix("_service"), {})))
        product = await Shop(served).product() if service == "order_service" else None
        replicas = [Replica(service, served.database_url, port, directory, **settings) for port in leased[1:]]
        for replica in replicas:
            stack.callback(replica.kill)
        await asyncio.gather(*(replica.start() for replica in replicas))
        balancer = await stack.enter_async_context(balanced(leased[0], leased[1:]))

        async def both_ready() -> bool:
            return len(balancer.ready) == 2

        await until("both replicas are ready", both_ready)
        customers = Customers(f"http://127.0.0.1:{leased[0]}", product, PATHS.get(service, "/orders"))
        sending = [asyncio.create_task(customers.send_requests()) for _ in range(CUSTOMERS)]
        for _ in range(rounds):
            for replica in replicas:
                before = customers.answered
                assert drain <= await replica.stop() < LONGEST_STOP
                await replica.start()
                await until("both replicas are ready", both_ready)
                assert customers.answered > before
        customers.are_done = True
        await asyncio.gather(*sending)
        await until("all events are published", lambda: all_published(served.database_url))
    assert customers.failed == []
    assert customers.answered > 50 * rounds


async def all_published(database_url: str) -> bool:
    database = await asyncpg.connect(database_url)
    try:
        return not await database.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)")
    finally:
        await database.close()


async def test_clients_do_not_notice_a_replaced_process(kafka: str, server_directory: Path) -> None:
    await roll("order_service", kafka, server_directory, rounds=1, drain=0.5)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", ["order_service", *PATHS])
async def test_clients_do_not_notice_ten_replaced_processes(kafka: str, server_directory: Path, service: str) -> None:
    await roll(service, kafka, server_directory, rounds=10, drain=5)


async def test_a_draining_process_is_not_ready_and_still_serves(server_directory: Path) -> None:
    """Requests are still served, but each response closes its connection."""
    [port] = ports.lease()
    async with serve("order_service", **secrets()) as served:
        replica = Replica("order_service", served.database_url, port, server_directory, DRAIN_SECONDS="2")
        try:
            await replica.start()
            async with httpx.AsyncClient(base_url=replica.url) as client:
                assert "close" not in (await client.get("/health/live")).headers.get("Connection", "")
                stopping = asyncio.create_task(replica.stop())

                async def is_draining() -> bool:
                    return (await client.get("/health/ready")).status_code == 503

                await until("the process is draining", is_draining, within=5)
                headers = {"Authorization": f"Bearer {tokens.token(role='User')}"}
                answer = await client.get("/orders", headers=headers)
                assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
                assert 2 <= await stopping < LONGEST_STOP
        finally:
            replica.kill()
            ports.release([port])
