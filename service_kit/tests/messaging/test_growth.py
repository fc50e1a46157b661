"""Partitions are added under load: with the command the order of each key's events stays, and without it does not."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from contracts.events.order_notification import OrderPaid
from contracts.topics import ORDER_NOTIFICATION, USERS, Topic
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes, outbox
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.growth import LEASE_SECONDS, NotGrown, grow_topic
from service_kit.messaging.producer import partition_of
from service_kit.messaging.relay import Relay
from service_kit.messaging.service import Messaging
from service_kit.tests.messaging.shop import Shop, eventually, paid, record_effect

TOPIC = ORDER_NOTIFICATION.name
BEFORE, AFTER = 3, 12
EFFECTS = "SELECT count(*) FROM effects"
Grow = Callable[["Load"], Awaitable[None]]


@consumes(OrderPaid)
async def slow(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
    """Handles fewer events in a second than are published, so that some are always unread."""
    await record_effect(tx, event, envelope)
    await asyncio.sleep(0.001)


class Load:
    """Publishes the next version of each key, again and again."""

    def __init__(self, shop: Shop, publisher: Messaging) -> None:
        self.shop = shop
        self.publisher = publisher
        self.published = 0
        self._keys = [uuid4() for _ in range(50)]

    async def publish(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            version = self.published // len(self._keys) + 1
            async with self.shop.orders.transaction() as tx:
                await outbox.add(tx, *(paid(key, version) for key in self._keys))
            self.published += len(self._keys)
            while await self._unread() > 4000 and not enough.is_set():
                await asyncio.sleep(0.02)

    async def more(self, count: int) -> None:
        """Returns when so many more events have been handled."""
        wanted = await self.shop.value(self.shop.notifications, EFFECTS) + count

        async def handled() -> bool:
            return bool(await self.shop.value(self.shop.notifications, EFFECTS) >= wanted)

        await eventually(handled, 60, f"{count} more effects")

    async def all(self) -> list[tuple[UUID, int]]:
        return await self.shop.effects(self.published, 60)

    async def _unread(self) -> int:
        return self.published - int(await self.shop.value(self.shop.notifications, EFFECTS))

    async def wait_for_backlog(self) -> None:
        """Returns when the consumers have joined their group, and cannot keep up."""
        await self.more(500)

        async def behind() -> bool:
            return await self._unread() > 3000

        await eventually(behind, 60, "a backlog")


@asynccontextmanager
async def running(shop: Shop) -> AsyncIterator[Load]:
    """Load on two processes of the service that reads, of which everything is handled at the end."""
    enough = asyncio.Event()
    load = Load(shop, await shop.start_publisher())
    for _ in range(2):
        await shop.start_consumer(slow, database=shop.another_pool(shop.notification_url))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.publish(enough))
        try:
            await load.wait_for_backlog()
            yield load
        finally:
            enough.set()
    assert len(set(await load.all())) == load.published, "each event takes effect once"


def inversions(effects: list[tuple[UUID, int]]) -> int:
    """How many events took effect after a later one of their key."""
    newest: Counter[UUID] = Counter()
    late = 0
    for key, version in effects:
        late += version < newest[key]
        newest[key] = max(newest[key], version)
    return late


async def partitions_in_use(shop: Shop, count: int) -> set[int]:
    return {record.partition for record in await shop.records(TOPIC, count)}


def command(shop: Shop, partitions: int = AFTER, *more: str) -> subprocess.Popen[str]:
    settings = {
        "ENVIRONMENT": "development", "ORDER_DATABASE_URL": shop.order_url, "KAFKA_BOOTSTRAP_SERVERS": shop.kafka,
        "KAFKA_TOPIC_PREFIX": shop.prefix, "ENV_FILE": os.devnull, "PATH": os.environ["PATH"],
    }  # fmt: skip
    arguments = [sys.executable, "-m", "service_kit", "grow-topic", TOPIC, str(partitions), *more]
    return subprocess.Popen(arguments, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


async def finished(process: subprocess.Popen[str]) -> str:
    output, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, output
    return output


async def add_partitions(shop: Shop) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=shop.kafka)
    await client.start()
    try:
        await client.create_partitions({shop.prefix + TOPIC: NewPartitions(AFTER)})
    finally:
        await client.close()


async def count_partitions(shop: Shop) -> int:
    client = AIOKafkaAdminClient(bootstrap_servers=shop.kafka)
    await client.start()
    try:
        [described] = await client.describe_topics([shop.prefix + TOPIC])
    finally:
        await client.close()
    return len(described["partitions"])


async def by_the_command(load: Load) -> None:
    output = await finished(command(load.shop))
    assert output.startswith(f"{TOPIC} has {AFTER} partitions. Its events waited for")


async def by_kafka_alone(load: Load) -> None:
    """Kafka's own tool does this; the relay knows the new partitions after its next start."""
    await add_partitions(load.shop)
    await load.publisher.stop()
    await load.shop.start_publisher()


@pytest.mark.parametrize(("grow", "keeps_the_order"), [(by_the_command, True), (by_kafka_alone, False)])
async def test_the_command_alone_keeps_the_order_of_each_key(shop: Shop, grow: Grow, keeps_the_order: bool) -> None:
    async with running(shop) as load:
        await grow(load)
        await load.more(4000)
    assert (inversions(await load.all()) == 0) is keeps_the_order
    assert max(await partitions_in_use(shop, load.published)) >= BEFORE
    assert await count_partitions(shop) == AFTER


async def test_a_command_that_is_killed_after_the_growth_changes_no_order(shop: Shop) -> None:
    async with running(shop) as load:
        process = command(shop, AFTER, "--hold", "60")

        async def grown() -> bool:
            return await count_partitions(shop) == AFTER

        await eventually(grown, 60, "the growth")
        process.kill()
        await load.more(4500)  # more than were unread, so that relays have published into the new partitions
    await asyncio.to_thread(process.communicate)
    assert inversions(await load.all()) == 0
    assert max(await partitions_in_use(shop, load.published)) >= BEFORE


async def test_a_command_that_is_killed_before_the_growth_changes_nothing(shop: Shop) -> None:
    """It waits, since nobody handles the events. The relay goes on, and the command can be run again."""
    await shop.start_publisher()
    await shop.publish([paid(uuid4(), 1)])
    process = command(shop)

    async def held() -> bool:
        owner = await shop.value(shop.orders, "SELECT owner FROM outbox_lease")
        return str(owner).startswith("grow-topic")

    async def left() -> bool:
        return not await held()

    await eventually(held, 60, "the lease of the command")
    process.kill()
    await asyncio.to_thread(process.communicate)
    await eventually(left, LEASE_SECONDS + 10, "the relay's lease")
    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(uuid4(), 1))
    assert len(await shop.records(TOPIC, 2)) == 2
    assert await count_partitions(shop) == BEFORE
    await shop.start_consumer(slow)
    await shop.effects(2)
    await finished(command(shop))
    assert await count_partitions(shop) == AFTER


async def test_events_that_nobody_handles_prevent_the_growth(shop: Shop) -> None:
    await shop.publish([paid(uuid4(), 1)])
    with pytest.raises(NotGrown, match="notification_service has not handled 1 events"):
        await grow_topic(
            KafkaConnection.plain(shop.kafka),
            shop.prefix,
            ORDER_NOTIFICATION,
            AFTER,
            {"order": shop.orders},
            within=0.5,
        )
    assert await count_partitions(shop) == BEFORE
    assert await shop.value(shop.orders, "SELECT expires_at < now() FROM outbox_lease"), "the lease is released"


@pytest.mark.parametrize(
    ("topic", "partitions", "reason"),
    [(USERS, AFTER, "compacted"), (ORDER_NOTIFICATION, BEFORE - 1, "has 3 partitions already")],
)
async def test_what_would_harm_is_refused(shop: Shop, topic: Topic, partitions: int, reason: str) -> None:
    with pytest.raises(NotGrown, match=reason):
        await grow_topic(KafkaConnection.plain(shop.kafka), shop.prefix, topic, partitions, {})


async def test_a_growth_can_be_repeated(shop: Shop) -> None:
    assert await grow_topic(KafkaConnection.plain(shop.kafka), shop.prefix, ORDER_NOTIFICATION, BEFORE, {}) == 0


async def has_a_later_lease(relay: Relay, epoch: int | None) -> bool:
    return relay.lease.epoch not in (None, epoch)


async def test_a_relay_that_gets_its_lease_back_uses_all_partitions_at_once(shop: Shop) -> None:
    """Later, a key would change its partition while earlier events of it are unread."""
    relay = (await shop.start_publisher()).relay
    await shop.start_consumer(slow)
    keys = [uuid4() for _ in range(100)]
    for version in (1, 2):
        async with shop.orders.transaction() as tx:
            await outbox.add(tx, *(paid(key, version) for key in keys))
        await shop.effects(100 * version)
        if version == 1:
            plain, later_lease = KafkaConnection.plain(shop.kafka), partial(has_a_later_lease, relay, relay.lease.epoch)
            await grow_topic(plain, shop.prefix, ORDER_NOTIFICATION, AFTER, {"order": shop.orders})
            # Until it renews its lease, it may still send to the former partitions; that is sent again, in order.
            await eventually(later_lease, 60, "the relay's lease")
    later = [record for record in await shop.records(TOPIC, 200) if b'"version":2' in record.value]
    assert len(later) == 100
    assert all(record.partition == partition_of(record.key, AFTER) for record in later)
