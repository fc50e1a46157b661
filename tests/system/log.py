"""The records of the topics, read from their beginning."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.topics import TOPICS, Topic
from service_kit.messaging.connection import KafkaConnection


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    key: str
    id: str
    type: str
    source: str
    subject: str
    traceparent: str | None
    value: bytes


async def records_of(
    kafka: KafkaConnection, key: str | None = None, *, topics: Iterable[Topic] = TOPICS
) -> list[Record]:
    """All records, or those of one key (an order's id), by partition and offset."""
    consumer = AIOKafkaConsumer(**kafka.arguments(), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Record] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [_record(partition.topic, record) for record in records]
        return [record for record in found if key in (None, record.key)]
    finally:
        await consumer.stop()


def _record(topic: str, record: ConsumerRecord) -> Record:
    headers = {name: value.decode() for name, value in record.headers}
    return Record(
        topic=topic,
        key=record.key.decode(),
        id=headers.get("ce_id", ""),
        type=headers.get("ce_type", ""),
        source=headers.get("ce_source", ""),
        subject=headers.get("ce_subject", ""),
        traceparent=headers.get("traceparent"),
        value=record.value,
    )
