"""While the broker starts late or restarts, no event is lost or takes effect twice, and health checks report it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.events.order_notification import OrderPaid
from local_stack import ports
from local_stack.kafka import EmbeddedKafka
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes, outbox
from service_kit.tests.messaging.shop import Shop, create_tables, create_topics, eventually, paid, record_effect
from tests.harness.databases import drop_database, new_database


@consumes(OrderPaid)
async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
    await record_effect(tx, event, envelope)


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker that the test may kill, since other tests use the shared one."""
    port, controller = ports.lease(2)
    broker = EmbeddedKafka(tmp_path / "kafka", port, controller, heap="256m")
    yield broker
    await asyncio.to_thread(broker.kill)
    ports.release([port, controller])


@pytest.fixture
async def fragile(own_broker: EmbeddedKafka) -> AsyncIterator[Shop]:
    urls = [new_database(), new_database()]
    for url in urls:
        create_tables(url)
    made = Shop(own_broker.bootstrap_servers, f"t{secrets.token_hex(4)}-", *urls)
    yield made
    await made.close()
    for url in urls:
        drop_database(url)


async def add_to_outbox(shop: Shop, *versions: int) -> None:
    order = uuid4()
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, *(paid(order, version) for version in versions))


async def test_no_event_is_lost_when_the_broker_starts_late_and_is_killed(
    own_broker: EmbeddedKafka, fragile: Shop
) -> None:
    publisher, consuming = await fragile.start_publisher(), await fragile.start_consumer(handler)
    await add_to_outbox(fragile, 1, 2, 3)

    async def is_unhealthy() -> bool:
        health = await publisher.health()
        return not health.ok and health.broker_reachable is False and bool(health.problems)

    await eventually(is_unhealthy)
    await asyncio.to_thread(own_broker.start)
    await create_topics(own_broker.bootstrap_servers, fragile.prefix)
    assert len(await fragile.effects(3, seconds=40)) == 3

    async def add_many() -> None:
        for _ in range(200):
            await add_to_outbox(fragile, 1, 2)

    adding = asyncio.create_task(add_many())
    await fragile.effects(50)
    await asyncio.to_thread(own_broker.kill)
    await adding
    await asyncio.to_thread(own_broker.start)
    await fragile.effects(403, seconds=60)
    rows = "SELECT count(*) - count(DISTINCT event_id) FROM effects"
    assert await fragile.value(fragile.notifications, rows) == 0

    async def is_healthy() -> bool:
        healths = [await each.health() for each in (publisher, consuming)]
        return all(health.ok for health in healths)

    await eventually(is_healthy, seconds=30)
