import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from contracts.topics import PAYMENT_STATUS, USERS, all_topics
from local_stack import ports, topics
from local_stack.errors import StackError
from local_stack.kafka import EmbeddedKafka, run
from local_stack.lag import consumer_lag
from local_stack.tests.conditions import wait_until
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
async def test_what_was_acknowledged_outlives_a_kill(own_kafka: EmbeddedKafka) -> None:
    await asyncio.to_thread(topics.create_topics, KafkaConnection.plain(own_kafka.bootstrap_servers))
    await _produce(own_kafka.bootstrap_servers, PAYMENT_STATUS.name, 100)
    own_kafka.kill()
    await asyncio.to_thread(own_kafka.start)
    assert await _length(own_kafka.bootstrap_servers, PAYMENT_STATUS.name) == 100


def test_topics_are_as_the_contracts_say_and_stay_so(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "local-stack-topics."
    assert topics.create_topics(KafkaConnection.plain(kafka), prefix) == len(all_topics())
    # The broker shows what the controller has decided a few milliseconds later.
    wait_until(lambda: topics.create_topics(KafkaConnection.plain(kafka), prefix) == 0)
    changed = tuple(replace(topic, max_record_bytes=99_999) if topic == USERS else topic for topic in all_topics())
    monkeypatch.setattr(topics, "all_topics", lambda: changed)
    assert topics.create_topics(KafkaConnection.plain(kafka), prefix) == 1
    wait_until(lambda: topics.create_topics(KafkaConnection.plain(kafka), prefix) == 0)


def test_partitions_are_never_added(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would break the order of each key at that moment, so it is refused before anything else is changed."""
    prefix, connection = "local-stack-partitions.", KafkaConnection.plain(kafka)
    topics.create_topics(connection, prefix)
    wait_until(lambda: topics.create_topics(connection, prefix) == 0)
    more = tuple(replace(topic, partitions=7) if topic == USERS else topic for topic in all_topics())
    monkeypatch.setattr(topics, "all_topics", lambda: more)
    with pytest.raises(StackError, match=rf"{prefix}users \(6 of 7\).*order"):
        topics.create_topics(connection, prefix)
    assert run(_partitions(connection, prefix + "users")) == 6


async def _partitions(connection: KafkaConnection, topic: str) -> int:
    client = AIOKafkaAdminClient(**connection.arguments())
    await client.start()
    try:
        [described] = await client.describe_topics([topic])
    finally:
        await client.close()
    return len(described["partitions"])


async def test_a_topics_configuration_is_the_contracts(kafka: str) -> None:
    await asyncio.to_thread(topics.create_topics, KafkaConnection.plain(kafka), "local-stack-config.")
    await asyncio.to_thread(
        wait_until, lambda: topics.create_topics(KafkaConnection.plain(kafka), "local-stack-config.") == 0
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, "local-stack-config.users")
        [answer] = await admin.describe_configs([resource])
        [described] = await admin.describe_topics(["local-stack-config.users"])
    finally:
        await admin.close()
    actual = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert USERS.config().items() <= actual.items()
    assert len(described["partitions"]) == USERS.partitions


async def test_lag_is_what_a_group_has_not_committed(kafka: str) -> None:
    prefix = "local-stack-lag."
    await asyncio.to_thread(topics.create_topics, KafkaConnection.plain(kafka), prefix)
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
