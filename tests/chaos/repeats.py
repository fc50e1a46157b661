"""Delivers events again: republished out of order, or the whole log from its start; and compares the services'
state."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from random import Random

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.topics import TOPICS
from local_stack.parts import SERVICES, Part
from local_stack.shop import Shop
from service_kit.database.revisions import VERSION_TABLES
from tests.system.world import until

TECHNICAL_TABLES = {"inbox", "outbox_lease", "verification_keys", "search_words", *VERSION_TABLES}
"""Tables of handled events, of running processes, and of what a job derives from time to time: no business state."""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL($1)"
PARTITIONS = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]

State = dict[str, Counter[str]]
"""Rows as text, by service and table."""


async def state(shop: Shop) -> State:
    """The business state of all services. The time when an event was published is no part of it."""
    found: State = {}
    for service in SERVICES:
        database = await asyncpg.connect(shop.database_url(service.name))
        try:
            for [table] in await database.fetch(TABLES, list(TECHNICAL_TABLES)):
                rows = await database.fetch(f"SELECT (to_jsonb(t) - 'published_at')::text FROM {table} AS t")
                found[f"{service.name}.{table}"] = Counter(row[0] for row in rows)
        finally:
            await database.close()
    return found


def differences(before: State, after: State) -> list[str]:
    """The rows that are missing, and the new ones."""
    return [
        f"{sign} {table}: {row}"
        for table in before.keys() | after.keys()
        for sign, rows in (("-", before[table] - after[table]), ("+", after[table] - before[table]))
        for row in rows
    ]


async def publish_again(shop: Shop, keys: Collection[str], times: int, seed: int) -> int:
    """Publishes every event of these keys `times` more: keys are shuffled, each key keeps its order. Returns how
    many."""
    random = Random(seed)
    by_key: defaultdict[tuple[TopicPartition, bytes], list[ConsumerRecord]] = defaultdict(list)
    async for place, record in _log(shop):
        if record.key.decode() in keys:
            by_key[place, record.key] += [record] * times
    lanes = [iter(records) for records in by_key.values()]
    count = 0
    async with AIOKafkaProducer(**shop.kafka.arguments(), linger_ms=5) as producer:
        sent = []
        for record in _shuffled(lanes, random):
            sent.append(
                await producer.send(
                    record.topic, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
                )
            )
            count += 1
        await asyncio.gather(*sent)
    return count


def _shuffled(lanes: list[Iterator[ConsumerRecord]], random: Random) -> Iterable[ConsumerRecord]:
    while lanes:
        chosen = random.randrange(len(lanes))
        record = next(lanes[chosen], None)
        if record is None:
            lanes[chosen] = lanes[-1]
            lanes.pop()
        else:
            yield record


async def read_from_the_start(shop: Shop, *, empty_inbox: bool = False) -> None:
    """All consumers read the whole log again. `empty_inbox`: with an empty inbox, as after its loss."""
    names = [service.name for service in SERVICES]
    await asyncio.gather(*(asyncio.to_thread(shop.stop, name) for name in names))
    for service in SERVICES:
        await _rewind(shop, service)
        if empty_inbox:
            database = await asyncpg.connect(shop.database_url(service.name))
            await database.execute("TRUNCATE inbox")
            await database.close()
    for name in names:
        await asyncio.to_thread(shop.start, name)
    await asyncio.to_thread(shop.wait_ready, *names)


async def all_handled(shop: Shop, within: float = 120.0) -> None:
    """Returns when all events on the topics have been handled, and the events that this caused as well."""

    async def done() -> bool:
        nothing_unpublished = not any([await asyncio.to_thread(shop.outbox_backlog, each.name) for each in SERVICES])
        return nothing_unpublished and not await _levels_are_unpublished(shop) and not await _behind(shop)

    for _ in range(2):  # events that the last ones caused are handled too
        await until("all events are handled", done, within)


async def _levels_are_unpublished(shop: Shop) -> bool:
    """Whether inventory still has to publish changed stock levels."""
    database = await asyncpg.connect(shop.database_url("inventory"))
    try:
        return bool(await database.fetchval("SELECT EXISTS (SELECT FROM stock WHERE to_publish)"))
    finally:
        await database.close()


async def _log(shop: Shop) -> AsyncIterator[tuple[TopicPartition, ConsumerRecord]]:
    consumer = AIOKafkaConsumer(**shop.kafka.arguments(), enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(PARTITIONS)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(PARTITIONS)
        while any([await consumer.position(place) < ends[place] for place in PARTITIONS]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    yield place, record
    finally:
        await consumer.stop()


async def _committed(shop: Shop, service: Part) -> dict[TopicPartition, int]:
    client = AIOKafkaAdminClient(**shop.kafka.arguments())
    await client.start()
    try:
        found = await client.list_consumer_group_offsets(service.package)
    finally:
        await client.close()
    return {place: offset.offset for place, offset in found.items() if offset.offset >= 0}


async def _rewind(shop: Shop, service: Part) -> None:
    places = await _committed(shop, service)
    if not places:
        return
    consumer = AIOKafkaConsumer(**shop.kafka.arguments(), group_id=service.package, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(places))
        await consumer.commit(await consumer.beginning_offsets(list(places)))
    finally:
        await consumer.stop()


async def _behind(shop: Shop) -> int:
    """The number of records that a service has not handled yet."""
    committed = [await _committed(shop, service) for service in SERVICES]
    consumer = AIOKafkaConsumer(**shop.kafka.arguments(), enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(PARTITIONS)
        ends = await consumer.end_offsets(PARTITIONS)
    finally:
        await consumer.stop()
    return sum(ends[place] - offset for places in committed for place, offset in places.items())
