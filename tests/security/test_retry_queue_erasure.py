"""Failed events about a customer do not delay the customer's erasure, and are deleted by it."""

import asyncio
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from contracts.events.base import Event
from contracts.events.users import UserChanged, UserErased
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.administration import create_topics
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import Envelope, encode
from tests.harness.service import NEEDED, serve
from tests.security.seeded_service import SeededService

LISTENING = [
    "order",
    *(pytest.param(each, marks=pytest.mark.long) for each in ("inventory", "product", "notification")),
]
LIMIT = 60.0
"""Seconds. In production an erasure may take minutes."""


@pytest.mark.parametrize("service", LISTENING)
async def test_an_erased_person_is_in_no_queued_event(service: str, kafka: str) -> None:
    prefix, person, word = f"t{uuid4().hex[:8]}.", uuid4(), f"canary{uuid4().hex[:8]}"
    await create_topics(KafkaConnection.plain(kafka), prefix)
    settings = {**NEEDED.get(service, {}), "kafka_bootstrap_servers": kafka, "kafka_topic_prefix": prefix}
    async with serve(f"{service}_service", service_role="all", event_attempts=1, **settings) as served:
        seeded = SeededService(service, served, person)
        strange = _known(person, word).model_copy(update={"version": "of another kind"})
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            await _add(producer, prefix, strange, _known(person, word, version=2))
            await _until(seeded, word, parked=2)
            await _add(producer, prefix, UserErased(user_id=person, version=3))
            await _until(seeded, word, parked=0)
        assert not [row for row in await seeded.rows() if _stands_in(word, row)]


def _known(user_id: UUID, word: str, version: int = 1) -> UserChanged:
    return UserChanged(
        user_id=user_id, version=version, email=f"{word}@example.com", full_name=word, roles=["User"],
        email_verified=True, active=True,
    )  # fmt: skip


async def _add(producer: AIOKafkaProducer, prefix: str, *events: Event) -> None:
    for event in events:
        envelope = Envelope(uuid7(), event.type, event.source, event.subject, utcnow())
        value = event.model_dump_json(warnings=False).encode()
        await producer.send_and_wait(prefix + event.topic.name, value, key=event.key.encode(), headers=encode(envelope))


async def _until(seeded: SeededService, word: str, *, parked: int) -> None:
    """Waits until `parked` events with the word are in the retry queue, and their dead-letter copies are published."""
    async with asyncio.timeout(LIMIT):
        while True:
            rows = await seeded.rows()
            found = [row for row in rows if row.startswith("parked_events") and _stands_in(word, row)]
            waiting = [row for row in rows if row.startswith("outbox{") and '"published_at":null' in row]
            if len(found) == parked and not waiting:
                return
            await asyncio.sleep(0.05)


def _stands_in(word: str, row: str) -> bool:
    return word in row or word.encode().hex() in row
