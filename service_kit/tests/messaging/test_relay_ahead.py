"""The relay sends a group while it marks the last one and fetches the next. Order and completeness must not suffer."""

import asyncio
import dataclasses
from typing import Any
from uuid import UUID, uuid4

import pytest

from service_kit.messaging import outbox
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.producer import Outcome, Producer
from service_kit.messaging.relay import Relay
from service_kit.messaging.tuning import Tuning
from service_kit.tests.messaging.shop import QUICK, Shop, eventually, paid

TOPIC = "order_notification"
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
CUT_OFF = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
SMALL = dataclasses.replace(QUICK, group_size=2)


class Sleeps(Producer):
    """Waits before it sends its first group until the test lets it continue."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asleep, self.waking = asyncio.Event(), asyncio.Event()
        self.sent: list[tuple[UUID, int]] = []

    async def publish(self, rows: Any) -> Outcome:
        self.asleep.set()
        await self.waking.wait()
        self.sent += [(UUID(row.key.decode()), version_of(row.value)) for row in rows]
        return await super().publish(rows)


def version_of(value: bytes) -> int:
    return int(value.decode().split('"version":')[1].split(",")[0].rstrip("}"))


async def versions(shop: Shop, count: int, key: UUID) -> list[int]:
    return [version_of(record.value) for record in await shop.records(TOPIC, count) if record.key == str(key).encode()]


async def add_to_outbox(shop: Shop, key: UUID, *versions: int) -> None:
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, *(paid(key, version) for version in versions))


async def all_published(shop: Shop) -> None:
    async def none_left() -> bool:
        return bool(await shop.value(shop.orders, UNPUBLISHED) == 0)

    await eventually(none_left)


async def test_a_crash_within_a_backlog_repeats_unmarked_events_and_keeps_each_keys_order(shop: Shop) -> None:
    orders = [uuid4() for _ in range(5)]
    for version in range(1, 13):
        for order in orders:
            await add_to_outbox(shop, order, version)

    class DiesAtTheFourth(Producer):
        groups = 0

        async def publish(self, rows: Any) -> Outcome:
            self.groups += 1
            outcome = await super().publish(rows)
            if self.groups == 4:
                raise asyncio.CancelledError
            return outcome

    tens = dataclasses.replace(QUICK, group_size=10)
    dying = DiesAtTheFourth(KafkaConnection.plain(shop.kafka), shop.prefix, 8.0)
    with pytest.raises(asyncio.CancelledError):
        await Relay(shop.orders, dying, tens).run()
    await dying.close()
    unmarked = await shop.value(shop.orders, UNPUBLISHED)
    assert 30 <= unmarked <= 40  # at most two groups were sent and not yet marked

    await shop.start_publisher(tuning=tens)
    await all_published(shop)
    count = 40 + unmarked
    for order in orders:
        found = await versions(shop, count, order)
        assert list(dict.fromkeys(found)) == list(range(1, 13))
        assert found[-1] == 12


async def test_rows_fetched_before_the_lease_was_lost_are_not_sent_after_it_was_regained(shop: Shop) -> None:
    """Another owner may have published them meanwhile, and newer events of the same keys."""
    first, other = uuid4(), uuid4()
    await add_to_outbox(shop, first, 1, 2)
    await add_to_outbox(shop, other, 1, 2)
    producer = Sleeps(KafkaConnection.plain(shop.kafka), shop.prefix, 60.0)
    former = Relay(shop.orders, producer, SMALL)
    running = asyncio.create_task(former.run())
    await producer.asleep.wait()
    present = await shop.start_publisher(shop.another_pool(shop.order_url))
    await all_published(shop)
    await add_to_outbox(shop, other, 3)
    await all_published(shop)
    await present.stop()  # it releases the lease

    producer.waking.set()

    async def repeated() -> bool:
        return producer.sent == [(first, 1), (first, 2)] * 2  # sent late, and repeated for that reason

    await eventually(repeated)
    await all_published(shop)
    assert await versions(shop, 9, other) == [1, 2, 3]
    former.stop()
    await running


async def test_late_events_of_a_former_owner_without_a_connection_are_followed_by_newer_ones(
    shop: Shop,
) -> None:
    order = uuid4()
    await add_to_outbox(shop, order, 1)
    producer = Sleeps(KafkaConnection.plain(shop.kafka), shop.prefix, 60.0)
    former = Relay(shop.orders, producer, SMALL)
    running = asyncio.create_task(former.run())
    await producer.asleep.wait()
    await shop.value(shop.orders, CUT_OFF)
    present = shop.another_pool(shop.order_url)
    await shop.start_publisher(present)
    async with present.transaction() as tx:
        await outbox.add(tx, paid(order, 2))
    assert await versions(shop, 2, order) == [1, 2]

    async def none_left() -> bool:
        return bool(await shop.value(present, UNPUBLISHED) == 0)

    await eventually(none_left)
    producer.waking.set()
    assert (await versions(shop, 5, order))[-1] == 2
    former.stop()
    await running


async def test_unmarked_events_of_the_present_owner_are_repeated_after_late_ones_of_the_former_owner(
    shop: Shop,
) -> None:
    await add_to_outbox(shop, uuid4(), 1, 2)
    former, present = (
        Relay(shop.orders, Producer(KafkaConnection.plain(shop.kafka), shop.prefix, 8.0), QUICK) for _ in range(2)
    )
    connection = await shop.orders.connect()
    try:
        await former.lease.hold(connection)
        first, second = await former._fetch(connection)
        late = former.lease.epoch
        await connection.execute("UPDATE outbox_lease SET expires_at = '-infinity'")
        await present.lease.hold(connection)
        epoch = present.lease.epoch
        await present._marks.mark(connection, [first], epoch)
        # The former owner sends the first again, while the present owner is about to mark the second.
        await former._marks.mark(connection, [first], late)
        await present._marks.mark(connection, [second], epoch)
        await present.lease.hold(connection)
        assert [row.id for row in await present._fetch(connection)] == [first.id, second.id]
    finally:
        await connection.close()


@pytest.mark.parametrize("tuning", [SMALL, dataclasses.replace(QUICK, group_bytes=1)])
async def test_a_backlog_is_published_completely_while_more_is_added(shop: Shop, tuning: Tuning) -> None:
    orders = [uuid4() for _ in range(10)]
    await shop.start_publisher(tuning=tuning)

    async def add_many(order: UUID) -> None:
        for version in range(1, 21):
            await add_to_outbox(shop, order, version)

    await asyncio.gather(*map(add_many, orders))
    await all_published(shop)
    records = await shop.records(TOPIC, 200)
    assert len(records) == 200
    for order in orders:
        mine = [version_of(record.value) for record in records if record.key == str(order).encode()]
        assert mine == list(range(1, 21))
