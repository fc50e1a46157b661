"""The consumer lag of each service, read from Kafka, so that it is also known for a service that is down."""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from local_stack.kafka import run
from service_kit.messaging.connection import KafkaConnection


def consumer_lag(kafka: KafkaConnection, groups: Iterable[str]) -> dict[str, int]:
    """Group → records that it has not consumed yet, over the partitions that it has committed to."""
    return run(_consumer_lag(kafka, list(groups)))


async def _consumer_lag(kafka: KafkaConnection, groups: list[str]) -> dict[str, int]:
    admin = AIOKafkaAdminClient(**kafka.arguments())
    consumer = AIOKafkaConsumer(**kafka.arguments())
    await admin.start()
    try:
        await consumer.start()
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
        partitions = {partition for offsets in committed.values() for partition in offsets}
        ends = await consumer.end_offsets(list(partitions)) if partitions else {}
    finally:
        await consumer.stop()
        await admin.close()
    return {
        group: sum(max(0, ends[partition] - offset.offset) for partition, offset in offsets.items())
        for group, offsets in committed.items()
    }
