"""Spans of events: one while an event is published, and one for each attempt to handle it."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import KafkaTimeoutError
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from contracts.events.order_notification import OrderPaid
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.ids import uuid7
from service_kit.messaging import Envelope, consumes, outbox, retry_queue
from service_kit.messaging.envelope import Record, encode
from service_kit.messaging.producer import Row
from service_kit.messaging.spans import producing, started_producing
from service_kit.telemetry.tracing import continue_trace
from service_kit.tests.messaging.shop import Shop, eventually, paid, record_effect
from service_kit.tests.messaging.test_retry_queue import Poison, is_dead
from service_kit.tests.telemetry.recording import NOT_SAMPLED, PARENT, SAMPLED, TRACE, id_of, parent_of, recorded

TOPIC = "order_notification"
OF_MESSAGE = {
    "messaging.system": "kafka",
    "messaging.destination.name": TOPIC,
    "cloudevents.event_type": OrderPaid.type,
}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with recorded() as exporter:
        yield exporter


def of_kind(exporter: InMemorySpanExporter, kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.kind is kind]


async def add(shop: Shop, order: UUID, traceparent: str) -> None:
    with continue_trace(traceparent):
        async with shop.orders.transaction() as tx:
            await outbox.add(tx, paid(order, 1))


async def test_what_an_event_causes_is_below_it_in_the_trace(shop: Shop, spans: InMemorySpanExporter) -> None:
    seen: list[str | None] = []

    @consumes(OrderPaid)
    async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
        seen.append(envelope.traceparent)
        await record_effect(tx, event, envelope)

    await add(shop, uuid4(), SAMPLED)
    await shop.start_publisher()
    await shop.start_consumer(handler)
    await shop.effects(1)

    async def both_ended() -> bool:
        return len(spans.get_finished_spans()) == 2

    await eventually(both_ended)
    [sent], [processed] = of_kind(spans, SpanKind.PRODUCER), of_kind(spans, SpanKind.CONSUMER)
    assert (sent.name, parent_of(sent)) == (f"send {TOPIC}", PARENT)
    assert (processed.name, parent_of(processed)) == (f"process {TOPIC}", id_of(sent))
    assert seen == [f"00-{TRACE}-{id_of(processed)}-01"]
    of_event = {**OF_MESSAGE, "messaging.message.id": (sent.attributes or {})["messaging.message.id"]}
    assert sent.attributes == {**of_event, "messaging.operation.name": "send", "messaging.operation.type": "send"}
    partition = (processed.attributes or {})["messaging.destination.partition.id"]
    assert processed.attributes == {
        **of_event,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.partition.id": partition,
        "messaging.kafka.offset": 0,
        "messaging.batch.message_count": 1,
    }


async def test_events_that_are_not_sampled_have_no_spans(shop: Shop, spans: InMemorySpanExporter) -> None:
    @consumes(OrderPaid)
    async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
        assert envelope.traceparent == NOT_SAMPLED
        await record_effect(tx, event, envelope)

    await add(shop, uuid4(), NOT_SAMPLED)
    await shop.start_publisher()
    await shop.start_consumer(handler)
    await shop.effects(1)
    assert spans.get_finished_spans() == ()


async def test_retries_and_a_replay_are_in_the_trace_of_the_event(shop: Shop, spans: InMemorySpanExporter) -> None:
    poison = Poison(uuid4(), 1)
    await add(shop, poison.order, SAMPLED)
    await shop.start_publisher()
    await shop.start_consumer(poison.handler)
    await is_dead(shop)
    attempts, poison.cured = poison.attempts, True
    async with shop.notifications.transaction() as tx:
        [letter] = await retry_queue.dead_letters(tx, after=0, limit=10)
        await retry_queue.replay(tx, letter.id)
    await shop.effects(1)

    async def ended() -> bool:
        return len(of_kind(spans, SpanKind.CONSUMER)) == attempts + 1

    await eventually(ended)
    [sent], processed = of_kind(spans, SpanKind.PRODUCER), of_kind(spans, SpanKind.CONSUMER)
    assert {parent_of(span) for span in processed} == {id_of(sent)}
    errors = [(span.attributes or {}).get("error.type") for span in processed]
    assert errors == ["ValueError"] * attempts + [None]
    assert [span.status.is_ok for span in processed] == [False] * attempts + [True]
    assert "indigestible" not in "".join(span.to_json() for span in processed)


async def test_the_events_of_a_batch_are_linked(shop: Shop, spans: InMemorySpanExporter) -> None:
    @consumes(OrderPaid)
    async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
        await record_effect(tx, event, envelope)

    def record(offset: int, traceparent: str | None) -> Record:
        event = paid(uuid4(), 1)
        envelope = Envelope(uuid7(), event.type, event.source, event.subject, utcnow(), traceparent)
        return Record(TOPIC, 0, offset, event.key.encode(), encode(envelope), event.model_dump_json().encode())

    messaging = await shop.start_consumer(handler, role="api")
    traces = [f"00-{number:032x}-{PARENT}-01" for number in (1, 2, 3)]
    records = [record(offset, trace) for offset, trace in enumerate([None, *traces, NOT_SAMPLED])]
    await messaging.processor.process(messaging.subscriptions[TOPIC], records)
    first, *others = of_kind(spans, SpanKind.CONSUMER)
    assert len(others) == 2
    assert first.links == ()
    assert [[link.context for link in span.links] for span in others] == [[first.context]] * 2
    assert {(span.attributes or {})["messaging.batch.message_count"] for span in (first, *others)} == {5}


def test_a_batch_that_is_not_acknowledged_has_failed_spans(spans: InMemorySpanExporter) -> None:
    span = started_producing(TOPIC, uuid4(), OrderPaid.type, SAMPLED, utcnow())
    row = Row(1, uuid4(), TOPIC, b"key", utcnow(), [], b"value", span)
    not_sampled = Row(2, uuid4(), TOPIC, b"key", utcnow(), [], b"value")
    with pytest.raises(KafkaTimeoutError), producing([row, not_sampled]):
        raise KafkaTimeoutError
    [sent] = spans.get_finished_spans()
    assert (sent.attributes or {})["error.type"] == "KafkaTimeoutError"
