"""Committed events are published in order, even if a process dies in between."""

import asyncio
import dataclasses
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from contracts.topics import MAX_RECORD_BYTES
from service_kit.database import sessions
from service_kit.messaging import outbox
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.lease import Lease
from service_kit.messaging.marks import RAISE_EPOCH
from service_kit.messaging.producer import Outcome, Producer, partition_of
from service_kit.messaging.relay import Relay
from service_kit.telemetry.tracing import continue_trace
from service_kit.tests.messaging.shop import QUICK, Shop, eventually, paid

UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
TOPIC = "order_notification"


def versions(records: list[Any], key: object) -> list[str]:
    return [record.value.decode().split('"version":')[1].split(",")[0].rstrip("}") for record in records
            if record.key == str(key).encode()]  # fmt: skip


@given(st.binary(max_size=60), st.integers(1, 50))
def test_a_key_has_the_same_partition_as_in_other_kafka_clients(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions


async def test_events_of_sessions_and_transactions_arrive_in_order(shop: Shop) -> None:
    order = uuid4()
    with continue_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        async with shop.orders.transaction() as hot:
            await outbox.add(hot, paid(order, 1), paid(order, 2))
        async with shop.orders.session() as tx:
            await outbox.add(tx, paid(order, 3))
    await shop.start_publisher()
    records = await shop.records(TOPIC, 3)
    assert versions(records, order) == ["1", "2", "3"]
    headers = dict(records[0].headers)
    assert headers["ce_type"] == b"mart.order.paid.v1"
    assert headers["ce_subject"] == str(order).encode()
    assert headers["traceparent"].startswith(b"00-0af7651916cd43dd8448eb211c80319c-")


async def test_rolled_back_events_are_never_published(shop: Shop) -> None:
    async def fails_after_adding() -> None:
        async with shop.orders.session() as tx:
            await outbox.add(tx, paid(uuid4(), 1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_after_adding()
    assert await shop.value(shop.orders, "SELECT count(*) FROM outbox") == 0


async def test_a_record_that_is_too_large_is_rejected_when_added(shop: Shop) -> None:
    with pytest.raises(outbox.EventTooLarge, match="order_notification"):
        async with shop.orders.transaction() as tx:
            await outbox.add(tx, paid(uuid4(), 1, number="x" * MAX_RECORD_BYTES))


async def test_a_commit_wakes_the_relay_at_once_in_this_process_and_in_another(shop: Shop) -> None:
    slow_polling = dataclasses.replace(QUICK, poll_seconds=60, lease_seconds=600)
    publisher = await shop.start_publisher(tuning=slow_polling)
    api = shop.another_pool(shop.order_url)
    await shop.start_publisher(api, tuning=slow_polling, role="api")

    async def owns() -> bool:
        return publisher.relay.lease.epoch is not None

    await eventually(owns)
    for n, database in enumerate((shop.orders, api, shop.orders, api), start=1):
        async with database.transaction() as tx:
            await outbox.add(tx, paid(uuid4(), 1))
        assert len(await shop.records(TOPIC, n)) == n


async def test_a_crash_between_acknowledgement_and_mark_repeats_events_and_loses_none(shop: Shop) -> None:
    order = uuid4()
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(order, 1), paid(order, 2))

    class Dies(Producer):
        async def publish(self, rows: Any) -> Outcome:
            await super().publish(rows)
            raise asyncio.CancelledError

    dying = Dies(KafkaConnection.plain(shop.kafka), shop.prefix, 8.0)
    with pytest.raises(asyncio.CancelledError):
        await Relay(shop.orders, dying, QUICK).run()
    await dying.close()
    assert await shop.value(shop.orders, UNPUBLISHED) == 2

    await shop.start_publisher()
    assert versions(await shop.records(TOPIC, 4), order) == ["1", "2", "1", "2"]


async def test_events_that_a_former_owner_repeats_are_followed_by_the_newer_ones_again(shop: Shop) -> None:
    """Compaction keeps the last record of a key, so the newest event must also be the last one. A former owner of the
    lease that resumes may send old events again, but cannot mark them."""
    order = uuid4()
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(order, 1))
    asleep, waking = asyncio.Event(), asyncio.Event()

    class Sleeps(Producer):
        async def publish(self, rows: Any) -> Outcome:
            asleep.set()
            await waking.wait()
            return await super().publish(rows)

    former = Relay(shop.orders, Sleeps(KafkaConnection.plain(shop.kafka), shop.prefix, 8.0), QUICK)
    running = asyncio.create_task(former.run())
    await asleep.wait()
    present = await shop.start_publisher(shop.another_pool(shop.order_url))
    assert versions(await shop.records(TOPIC, 1), order) == ["1"]
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(order, 2))
    assert versions(await shop.records(TOPIC, 2), order) == ["1", "2"]

    async def all_published() -> bool:
        return bool(await shop.value(shop.orders, UNPUBLISHED) == 0)

    await eventually(all_published)
    assert present.relay.lease.epoch == 2
    waking.set()
    records = await shop.records(TOPIC, 5)
    former.stop()
    await running
    assert versions(records, order)[:3] == ["1", "2", "1"]
    assert versions(records, order)[-1] == "2"
    await eventually(all_published)


async def test_an_owner_frozen_in_a_transaction_is_replaced(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transaction locks the row of the lease until PostgreSQL ends it after a time-out."""
    monkeypatch.setitem(sessions.LIMITS, "idle_in_transaction_session_timeout", "2s")
    monkeypatch.setitem(sessions.LIMITS, "lock_timeout", "500ms")
    order = uuid4()
    sleeper = shop.another_pool(shop.order_url)
    connection = await sleeper.connect()
    try:
        former = Lease("who sleeps", 0.5)
        await former.hold(connection)
        await connection.execute("BEGIN")
        await connection.execute(RAISE_EPOCH)
        await shop.start_publisher()
        async with shop.orders.transaction() as tx:
            await outbox.add(tx, paid(order, 1))
        assert versions(await shop.records(TOPIC, 1, seconds=15), order) == ["1"]
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.execute("COMMIT")
    finally:
        connection.terminate()


async def test_a_record_that_the_broker_rejects_blocks_only_its_key(shop: Shop) -> None:
    bad, good = uuid4(), uuid4()
    async with shop.orders.transaction() as tx:
        await outbox.add(
            tx, paid(bad, 1), paid(bad, 2, number="x" * 30_000), paid(bad, 3), paid(good, 1), paid(good, 2)
        )  # the topic of this test accepts 20,000 bytes
    publisher = await shop.start_publisher()
    records = await shop.records(TOPIC, 3)
    assert versions(records, bad) == ["1"]
    assert versions(records, good) == ["1", "2"]

    async def shown() -> bool:
        health = await publisher.health()
        return health.relay is not None and health.relay.blocked_keys == 1 and health.relay.backlog == 2

    await eventually(shown)


async def test_a_stopped_relay_releases_its_lease_at_once(shop: Shop) -> None:
    first = await shop.start_publisher(tuning=dataclasses.replace(QUICK, lease_seconds=600))

    async def owns() -> bool:
        return first.relay.lease.epoch is not None

    await eventually(owns)
    await first.stop()
    await shop.start_publisher(shop.another_pool(shop.order_url))
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(uuid4(), 1))
    assert await shop.records(TOPIC, 1)
