"""Reads the records of one order from Kafka: from the partition of its key in each topic."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.topics import TOPICS
from local_stack.kafka import run
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import Envelope, Unreadable, decode
from service_kit.messaging.producer import partition_of

ORDER_TOPICS = tuple(topic for topic in TOPICS if topic.key == "order id")
# Kafka's times come from the publishing machine, whose clock may be behind that of the order service.
CLOCK_SKEW = timedelta(minutes=1)
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Published:
    """A record; `envelope` is None if it can't be read. `error`: why it is a dead letter."""

    topic: str
    partition: int
    offset: int
    at: datetime
    envelope: Envelope | None
    error: str | None

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


def read_topics(kafka: KafkaConnection, prefix: str, key: str, since: datetime) -> list[Published]:
    """All records with this key, dead letters included, in the order of each topic.

    Raises: KafkaError, OSError, TimeoutError.
    """
    return run(_read(kafka, prefix, key.encode(), since - CLOCK_SKEW))


async def _read(kafka: KafkaConnection, prefix: str, key: bytes, since: datetime) -> list[Published]:
    names = [prefix + name for topic in ORDER_TOPICS for name in (topic.name, topic.dlq.name)]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        partitions = await _partitions(kafka, names, key)
        consumer = AIOKafkaConsumer(**kafka.arguments(), enable_auto_commit=False)
        try:
            await consumer.start()
            records = await _records(consumer, partitions, since) if partitions else []
        finally:
            await consumer.stop()
    return [_published(record, prefix) for record in records if record.key == key]


async def _partitions(kafka: KafkaConnection, names: Iterable[str], key: bytes) -> list[TopicPartition]:
    """The key's partition of each topic, which depends on the topic's number of partitions."""
    admin = AIOKafkaAdminClient(**kafka.arguments())
    try:
        await admin.start()
        described = await admin.describe_topics(list(names))
    finally:
        await admin.close()
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described if topic["partitions"]}
    return [TopicPartition(name, partition_of(key, count)) for name, count in counts.items()]


async def _records(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], since: datetime) -> list[Any]:
    """The records of these partitions from the first one after `since` to the current end."""
    since_ms = int(since.timestamp() * 1000)
    starts: Mapping[TopicPartition, Any] = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
    ends = await consumer.end_offsets(partitions)
    left = {place for place in partitions if starts[place] is not None and starts[place].offset < ends[place]}
    if not left:
        return []
    consumer.assign(list(left))
    for place in left:
        consumer.seek(place, starts[place].offset)
    found: list[Any] = []
    while left:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += records
        left = {place for place in left if await consumer.position(place) < ends[place]}
    return found


def _published(record: Any, prefix: str) -> Published:
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    try:
        envelope = decode(record.headers, key=record.key, timestamp_ms=record.timestamp)
    except Unreadable:
        envelope = None
    topic = record.topic.removeprefix(prefix)
    errors = [(value or b"").decode(errors="replace") for name, value in record.headers if name == "error"]
    error = (errors or ["no reason given"])[-1] if topic.endswith(".dlq") else None
    return Published(topic, record.partition, record.offset, at, envelope, error)
