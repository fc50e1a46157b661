"""Topics are created and configured as the contracts declare them; partitions are never added."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import USERS, Topic, all_topics
from service_kit.messaging.administration import BrokerRejected, create_topics
from service_kit.messaging.connection import KafkaConnection


class Broker:
    """The broker, with a prefix for the topics of one test."""

    def __init__(self, address: str) -> None:
        self.prefix = f"administration-{uuid4().hex[:8]}."
        self._connection = KafkaConnection.plain(address)

    async def create(self, topics: Collection[Topic] = all_topics()) -> int:
        return await create_topics(self._connection, self.prefix, topics)

    async def settle(self) -> None:
        """Waits until nothing is left to change, since the broker shows the controller's decisions with a delay."""
        async with asyncio.timeout(30):
            while await self.create():
                await asyncio.sleep(0.05)

    async def describe(self, topic: Topic) -> tuple[int, dict[str, Any]]:
        """Its number of partitions, and its configuration."""
        name = self.prefix + topic.name
        client = AIOKafkaAdminClient(**self._connection.arguments())
        await client.start()
        try:
            [answer] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            [described] = await client.describe_topics([name])
        finally:
            await client.close()
        return len(described["partitions"]), {entry[0]: entry[1] for entry in answer.resources[0][4]}


@pytest.fixture
def broker(kafka: str) -> Broker:
    return Broker(kafka)


async def test_topics_are_created_as_declared(broker: Broker) -> None:
    assert await broker.create() == len(all_topics())
    await broker.settle()
    partitions, configuration = await broker.describe(USERS)
    assert partitions == USERS.partitions
    assert USERS.config().items() <= configuration.items()


async def test_a_changed_configuration_is_corrected(broker: Broker) -> None:
    await broker.create()
    await broker.settle()
    changed = [replace(topic, max_record_bytes=99_999) if topic == USERS else topic for topic in all_topics()]
    assert await broker.create(changed) == 1
    await broker.settle()
    assert (await broker.describe(USERS))[1]["max.message.bytes"] == str(USERS.max_record_bytes)


async def test_partitions_are_never_added(broker: Broker) -> None:
    """New partitions would break the order of each key, so the command fails before it changes anything."""
    await broker.create()
    await broker.settle()
    more = [replace(topic, partitions=7) if topic == USERS else topic for topic in all_topics()]
    with pytest.raises(BrokerRejected, match=rf"{broker.prefix}users \(6 of 7\).*grow-topic"):
        await broker.create(more)
    assert (await broker.describe(USERS))[0] == 6
