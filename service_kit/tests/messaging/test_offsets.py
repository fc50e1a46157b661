"""Offsets are committed concurrently with later work, after the effects and before a partition is released."""

import asyncio
import dataclasses
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY

from contracts.events.order_notification import OrderPaid
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes
from service_kit.messaging.offsets import Offsets
from service_kit.messaging.service import Messaging
from service_kit.tests.messaging.shop import QUICK, Shop, eventually, paid, record_effect

TOPIC = "order_notification"


@consumes(OrderPaid)
async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
    await record_effect(tx, event, envelope)


def repeats() -> float:
    return REGISTRY.get_sample_value("events_skipped_total", {"topic": TOPIC, "reason": "duplicate"}) or 0.0


async def test_offsets_are_committed_after_their_effects_and_a_slow_commit_does_not_block_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed: dict[TopicPartition, int] = {}
    ahead: list[int] = []
    running = 0
    commit = AIOKafkaConsumer.commit

    async def slow(client: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        nonlocal running
        running += 1
        assert running == 1
        committed.update(offsets)
        effects = await shop.value(shop.notifications, "SELECT count(*) FROM effects")
        assert effects >= sum(committed.values())
        await asyncio.sleep(0.5)
        ahead.append(await shop.value(shop.notifications, "SELECT count(*) FROM effects") - effects)
        await commit(client, offsets)
        running -= 1

    monkeypatch.setattr(AIOKafkaConsumer, "commit", slow)
    orders = [uuid4() for _ in range(100)]
    await shop.publish([paid(order, version) for version in range(3) for order in orders])
    await shop.start_consumer(handler, tuning=dataclasses.replace(QUICK, batch_size=20))
    await shop.effects(300)

    async def all_handled() -> bool:
        return sum(committed.values()) == 300

    await eventually(all_handled)
    assert max(ahead) > 0
    assert len(ahead) < 15  # one commit covers all batches since the last one


async def test_partitions_are_released_only_when_their_offsets_are_committed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending, continue_commit = asyncio.Event(), asyncio.Event()
    commit = AIOKafkaConsumer.commit

    async def blocked_commit(client: AIOKafkaConsumer, offsets: Any) -> None:
        pending.set()
        await continue_commit.wait()
        await commit(client, offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", blocked_commit)
    before = repeats()
    orders = [uuid4() for _ in range(30)]
    await shop.publish([paid(order, 1) for order in orders])
    first = await shop.start_consumer(handler)
    await shop.effects(30)
    await pending.wait()
    asked = asyncio.Event()
    committed = Offsets.committed

    async def released(offsets: Offsets) -> None:
        if first.consumer is not None and offsets is first.consumer._offsets:
            asked.set()
        await committed(offsets)

    monkeypatch.setattr(Offsets, "committed", released)
    second = await shop.start_consumer(handler, database=shop.another_pool(shop.notification_url))
    async with asyncio.timeout(10):
        await asked.wait()  # the rebalance asks for the partitions
    assert second.consumer is not None
    assert not second.consumer.assignment
    continue_commit.set()

    await eventually(lambda: _share(first, second))
    await shop.publish([paid(order, 2) for order in orders])
    assert len(await shop.effects(60)) == 60
    assert repeats() == before


async def _share(*members: Messaging) -> bool:
    held = [each.consumer.assignment for each in members if each.consumer]
    return all(held) and len(set().union(*held)) == 3


async def test_a_stop_waits_for_a_commit_in_progress(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    committed: list[Any] = []
    commit = AIOKafkaConsumer.commit

    async def slow(client: AIOKafkaConsumer, offsets: Any) -> None:
        await asyncio.sleep(0.5)
        await commit(client, offsets)
        committed.append(offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", slow)
    before = repeats()
    await shop.publish([paid(uuid4(), 1)])
    first = await shop.start_consumer(handler)
    await shop.effects(1)
    await first.stop()
    assert committed
    await shop.start_consumer(handler, database=shop.another_pool(shop.notification_url))
    await shop.publish([paid(uuid4(), 1)])
    await shop.effects(2)
    assert repeats() == before
