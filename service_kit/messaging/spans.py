"""Spans of events: PRODUCER from the outbox row to the broker's acknowledgement, CONSUMER while an event is handled.

Their names and attributes are those of OpenTelemetry's semantic conventions for messaging.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from types import TracebackType
from typing import Protocol
from uuid import UUID

from opentelemetry.trace import Span, SpanKind

from service_kit.clock import utcnow
from service_kit.messaging.incoming import Incoming
from service_kit.telemetry import tracing


class Traced(Protocol):
    """What is sent to the broker. `span` None: its trace is not recorded."""

    @property
    def span(self) -> Span | None: ...


def started_producing(
    topic: str, event_id: UUID, type: str, traceparent: str | None, stored_at: datetime
) -> Span | None:
    """Begins when the event was stored, so that its wait in the outbox is seen. None: its trace is not recorded."""
    if not tracing.records(traceparent):
        return None
    attributes = _attributes("send", topic, event_id, type)
    return tracing.start_span(f"send {topic}", SpanKind.PRODUCER, traceparent, attributes, stored_at)


def producing(sent: Iterable[Traced]) -> AbstractContextManager[None]:
    """The block sends a batch and waits for its acknowledgement; then the spans end. After an error the batch may be on
    the broker nevertheless, so its spans are recorded too. A row that is sent again has another span."""
    return tracing.ending(each.span for each in sent) if tracing.is_recording() else nullcontext()


class Consuming:
    """The CONSUMER spans of a batch: they begin with the batch, and end when its effects are committed or failed."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._spans: list[Span] = []
        self._began = utcnow()

    def of(self, batch: Sequence[Incoming]) -> Sequence[Incoming]:
        """The batch, in which each event of a recorded trace has its own span as `traceparent`, so that what the event
        causes is a child of that span."""
        return [self._traced(incoming, len(batch)) for incoming in batch] if tracing.is_recording() else batch

    def _traced(self, incoming: Incoming, count: int) -> Incoming:
        envelope, record = incoming.envelope, incoming.record
        if not tracing.records(envelope.traceparent):
            return incoming
        attributes = {
            **_attributes("process", self._topic, envelope.id, envelope.type),
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.batch.message_count": count,
        }
        name = f"process {self._topic}"
        span = tracing.start_span(name, SpanKind.CONSUMER, envelope.traceparent, attributes, self._began)
        if span is None:
            return incoming
        if self._spans:
            span.add_link(self._spans[0].get_span_context())  # finds the others of the batch
        self._spans.append(span)
        return incoming._replace(envelope=envelope._replace(traceparent=tracing.traceparent_of(span)))

    async def __aenter__(self) -> "Consuming":
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        for span in self._spans:
            tracing.end(span, error)


def _attributes(operation: str, topic: str, event_id: UUID, type: str) -> dict[str, str | int]:
    """The record's key is left out: it may be a customer's id."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": str(event_id),
        "cloudevents.event_type": type,
    }
