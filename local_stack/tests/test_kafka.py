import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from contracts.topics import PAYMENT_STATUS
from local_stack import ports
from local_stack.kafka import EmbeddedKafka
from local_stack.lag import consumer_lag
from service_kit.messaging.administration import create_topics
from service_kit.messaging.connection import KafkaConnection


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    leased = ports.lease(2)
    server = EmbeddedKafka(tmp_path / "kafka", *leased, heap="256m")
    server.start()
    yield server
    server.kill()
    ports.release(leased)


@pytest.mark.system
async def test_acknowledged_records_survive_a_kill(own_kafka: EmbeddedKafka) -> None:
    await create_topics(KafkaConnection.plain(own_kafka.bootstrap_servers))
    await _produce(own_kafka.bootstrap_servers, PAYMENT_STATUS.name, 100)
    own_kafka.kill()
    await asyncio.to_thread(own_kafka.start)
    assert await _length(own_kafka.bootstrap_servers, PAYMENT_STATUS.name) == 100


async def test_lag_counts_the_records_that_a_group_has_not_committed(kafka: str) -> None:
    prefix = "local-stack-lag."
    await create_topics(KafkaConnection.plain(kafka), prefix)
    await _produce(kafka, prefix + PAYMENT_STATUS.name, 5)
    partition = TopicPartition(prefix + PAYMENT_STATUS.name, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=prefix + "group", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.commit({partition: 2})
    finally:
        await consumer.stop()
    assert await asyncio.to_thread(consumer_lag, KafkaConnection.plain(kafka), [prefix + "group"]) == {
        prefix + "group": 3
    }


async def _produce(bootstrap_servers: str, topic: str, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    await producer.start()
    try:
        for number in range(count):
            await producer.send_and_wait(topic, str(number).encode(), partition=0)
    finally:
        await producer.stop()


async def _length(bootstrap_servers: str, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        return int((await consumer.end_offsets([partition]))[partition])
    finally:
        await consumer.stop()
