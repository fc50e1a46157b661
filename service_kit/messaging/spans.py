"""Spans of events: PRODUCER from the outbox row to the broker's acknowledgement, CONSUMER while an event is handled.

Their names and attributes are those of OpenTelemetry's semantic conventions for messaging.
"""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from uuid import UUID

from opentelemetry.trace import Span, SpanKind

from service_kit.clock import utcnow
from service_kit.messaging.incoming import Incoming
from service_kit.messaging.producer import Row
from service_kit.telemetry import tracing

_SYSTEM = {"messaging.system": "kafka"}
NOT_ACKNOWLEDGED = "not_acknowledged"


def started_producing(
    topic: str, event_id: UUID, type: str, traceparent: str | None, stored_at: datetime
) -> Span | None:
    """Begins when the event was stored, so that its wait in the outbox is seen. None: its trace is not recorded."""
    if not tracing.is_recording():
        return None
    attributes = {**_of(topic, "send", event_id), "cloudevents.event_type": type}
    return tracing.start_span(f"send {topic}", SpanKind.PRODUCER, traceparent, attributes, stored_at)


def end_producing(sent: Sequence[Row], acknowledged: Sequence[Row]) -> None:
    """Ends the spans of a group. One that was not acknowledged may be on the broker nevertheless, so its span is
    recorded too; the row is sent again with a span of its own."""
    if any(row.span for row in sent):
        known = {row.id for row in acknowledged}
        for row in sent:
            if row.span:
                tracing.end(row.span, None if row.id in known else NOT_ACKNOWLEDGED)


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
        envelope = incoming.envelope
        attributes = {
            **_of(self._topic, "process", envelope.id),
            "cloudevents.event_type": envelope.type,
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


def _of(topic: str, operation: str, id: UUID) -> dict[str, str | int]:
    return {
        **_SYSTEM, "messaging.operation.name": operation, "messaging.operation.type": operation,
        "messaging.destination.name": topic, "messaging.message.id": str(id),
    }  # fmt: skip
