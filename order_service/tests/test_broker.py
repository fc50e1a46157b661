"""The service with its consumer and relay, on a real broker."""

from asyncio import create_task, timeout
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.events import inventory_deduction as answers
from contracts.topics import INVENTORY_DEDUCTION
from order_service.tests.conftest import Shop, secrets
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.administration import create_topics
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import Envelope, encode
from service_kit.messaging.producer import Producer, Row
from tests.harness.service import serve


class Inventory:
    """Answers on the real topic, as the inventory service would."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def accept(self, order_id: UUID) -> None:
        event = answers.ReservationAccepted(order_id=order_id, version=1, reserved_until=utcnow() + timedelta(days=1))
        envelope = Envelope(uuid7(), event.type, event.source, event.subject, utcnow())
        row = Row(
            1, envelope.id, INVENTORY_DEDUCTION.name, event.key.encode(), utcnow(), encode(envelope),
            event.model_dump_json().encode(),
        )  # fmt: skip
        outcome = await self._producer.publish([row])
        assert outcome.failure is None


@pytest.fixture
async def running(kafka: str) -> AsyncIterator[tuple[Shop, Inventory]]:
    prefix = f"t{uuid4().hex[:8]}."
    await create_topics(KafkaConnection.plain(kafka), prefix)
    producer = Producer(KafkaConnection.plain(kafka), prefix, 20)
    async with serve(
        "order_service", service_role="all", kafka_bootstrap_servers=kafka, kafka_topic_prefix=prefix, **secrets()
    ) as served:
        yield Shop(served), Inventory(producer)
    await producer.close()


async def test_a_waiting_request_is_woken_by_its_own_process(running: tuple[Shop, Inventory]) -> None:
    shop, inventory = running
    placing = create_task(shop.place(await shop.product(), prefer="wait=30"))
    while (order_id := await shop.execute("SELECT id FROM orders")) is None:
        assert not placing.done()
    await inventory.accept(order_id)
    answer = await placing
    assert (answer.status_code, answer.json()["status"]) == (201, "awaiting_payment")
    async with timeout(30):
        while await shop.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL"):
            continue  # the relay works
