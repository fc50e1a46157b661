"""Reads topics again from a moment on, and moves a consumer group back to it: for a database that was restored."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from contracts.topics import Topic
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import Record

_FETCH_MS = 500


class GroupIsActive(Exception):
    """The group can't be moved while it has members; the message explains what to do."""


async def records_since(kafka: KafkaConnection, prefix: str, topics: Iterable[Topic], since: datetime) -> list[Record]:
    """The records of these topics that were written at or after `since`, in the order of each partition."""
    partitions = await _partitions(kafka, prefix, topics)
    consumer = AIOKafkaConsumer(**kafka.arguments(), group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, offset in (await _offsets_at(consumer, partitions, since, ends)).items():
            consumer.seek(partition, offset)
        found: list[Record] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for partition, raws in (await consumer.getmany(timeout_ms=_FETCH_MS)).items():
                topic = partition.topic.removeprefix(prefix)
                found += [_record(topic, raw) for raw in raws if raw.offset < ends[partition]]
        return found
    finally:
        await consumer.stop()


async def move_group(
    kafka: KafkaConnection, prefix: str, group: str, topics: Iterable[Topic], since: datetime | None
) -> int:
    """Moves the group to the first records at or after `since`, or (None) behind the last ones; returns the number of
    partitions. Raises: GroupIsActive."""
    partitions = await _partitions(kafka, prefix, topics)
    consumer = AIOKafkaConsumer(**kafka.arguments(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        offsets = ends if since is None else await _offsets_at(consumer, partitions, since, ends)
        await consumer.commit(dict(offsets))
    except KafkaError as error:
        if error.retriable:
            raise
        raise GroupIsActive(
            f"{group}: its offsets can't be moved ({error!r}): stop every process of it first"
        ) from error
    finally:
        await consumer.stop()
    return len(partitions)


async def _partitions(kafka: KafkaConnection, prefix: str, topics: Iterable[Topic]) -> list[TopicPartition]:
    client = AIOKafkaAdminClient(**kafka.arguments())
    await client.start()
    try:
        described = await client.describe_topics([prefix + topic.name for topic in topics])
    finally:
        await client.close()
    return [TopicPartition(each["topic"], number["partition"]) for each in described for number in each["partitions"]]


async def _offsets_at(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], since: datetime, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    milliseconds = int(since.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    return {partition: at.offset if (at := found.get(partition)) else ends[partition] for partition in partitions}


def _record(topic: str, raw: object) -> Record:
    values = [getattr(raw, name) for name in ("partition", "offset", "key", "headers", "value", "timestamp")]
    partition, offset, key, headers, value, timestamp = values
    return Record(topic, partition, offset, key or b"", headers, value or b"", timestamp)
