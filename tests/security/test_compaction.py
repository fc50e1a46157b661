"""Kafka deletes the snapshots of an erased or merged account from the topic `users` and keeps its terminal event."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.events.users import UserChanged, UserErased, UserMerged
from contracts.topics import USERS

SHORT = {"segment.ms": "1000", "max.compaction.lag.ms": "1000"}
"""In production each of these is a day."""


ID = uuid4()


@pytest.mark.long
@pytest.mark.parametrize(
    "last", [UserErased(user_id=ID, version=2), UserMerged(user_id=ID, version=2, into=uuid4())], ids=lambda e: e.type
)
async def test_events_of_an_ended_account_are_compacted_away(kafka: str, last: UserErased | UserMerged) -> None:
    topic, user_id, word = f"{uuid4().hex}.users", ID, f"canary{uuid4().hex[:8]}"
    await _make(kafka, topic, {**USERS.config(), **SHORT})
    known = UserChanged(
        user_id=user_id, version=1, email=f"{word}@example.com", full_name=word, roles=["User"], email_verified=True,
        active=True,
    )  # fmt: skip
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for event in (known, last):
            await producer.send_and_wait(topic, event.model_dump_json().encode(), key=event.key.encode())
        assert word in str(await _values(kafka, topic))
        async with asyncio.timeout(100):
            # An open segment is never compacted, and only a record of any account closes it.
            while word in str(await _values(kafka, topic)):
                await asyncio.sleep(1.5)
                await producer.send_and_wait(topic, b"{}", key=uuid4().bytes)
    left = [value for key, value in await _values(kafka, topic) if key == str(user_id).encode()]
    assert [type(last).model_validate_json(value) for value in left] == [last]


def test_the_topic_is_compacted_within_two_days() -> None:
    config = USERS.config()
    assert config["cleanup.policy"] == "compact"
    day = 24 * 3600 * 1000
    assert int(config["max.compaction.lag.ms"]) <= day
    assert int(config["segment.ms"]) <= day


async def _make(kafka: str, topic: str, config: dict[str, str]) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    await client.create_topics([NewTopic(topic, 1, 1, topic_configs=config)])
    await client.close()


async def _values(kafka: str, topic: str) -> list[tuple[bytes, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        [end] = (await consumer.end_offsets([partition])).values()
        found: list[tuple[bytes, bytes]] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [(record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()
