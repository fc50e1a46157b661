"""A worker that cannot consume is not ready, and reports no lag of partitions that it has lost."""

import dataclasses
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import REGISTRY

from contracts.events.order_notification import OrderPaid
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes
from service_kit.messaging.service import Messaging
from service_kit.tests.messaging.shop import (
    QUICK,
    NotificationSettings,
    Shop,
    eventually,
    module,
    paid,
    record_effect,
    settings,
)  # fmt: skip

TUNING = dataclasses.replace(QUICK, watch_seconds=0.2)


@consumes(OrderPaid)
async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
    await record_effect(tx, event, envelope)


async def start(shop: Shop, role: str) -> Messaging:
    chosen = settings(NotificationSettings, shop.notification_url, shop.kafka, shop.prefix, role)
    return await shop._start(Messaging(chosen, shop.notifications, (module(handler),), TUNING))


async def test_a_worker_whose_topics_are_gone_is_not_ready(shop: Shop) -> None:
    worker, api = await start(shop, "worker"), await start(shop, "api")
    assert worker.readiness() == "not looked yet"

    async def is_ready() -> bool:
        return worker.readiness() == "ok"

    async def is_not_ready() -> bool:
        return not await is_ready()

    await shop.publish([paid(uuid4(), 1)])
    await shop.effects(1)
    await eventually(is_ready)
    topic = shop.prefix + OrderPaid.topic.name
    client = AIOKafkaAdminClient(bootstrap_servers=shop.kafka)
    await client.start()
    try:
        await client.delete_topics([topic])
        await eventually(is_not_ready, 60)
        assert worker.readiness() == "; ".join((await worker.health()).problems)
        assert api.readiness() == "ok"
    finally:
        await client.close()


async def test_lag_is_reported_by_the_owner_of_the_partitions(shop: Shop) -> None:
    topic = shop.prefix + OrderPaid.topic.name
    worker = await start(shop, "worker")
    await shop.publish([paid(uuid4(), 1)])

    async def is_reported() -> bool:
        return REGISTRY.get_sample_value("consumer_lag", {"topic": topic}) is not None

    async def is_not_reported() -> bool:
        return not await is_reported()

    await eventually(is_reported)
    assert worker.consumer is not None
    worker.consumer.stop()  # as after a rebalance, it has no partitions, and its watchdog still runs
    await eventually(is_not_reported)
