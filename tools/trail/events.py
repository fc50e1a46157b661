"""One order's events: emitted by one service, published on Kafka, and received by others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tools.trail.step import Kind, Step, Wait
from tools.trail.tables import Rows
from tools.trail.topics import Published


def short(type: str) -> str:
    """`order.placed` of `mart.order.placed.v1`."""
    return type.removeprefix("mart.").rpartition(".v")[0] or type


def service_of(source: str) -> str:
    return source.strip("/").removesuffix("_service")


@dataclass
class Event:
    """`records`: more than one if it was published again, which is harmless. `row`: its outbox row, unless pruned."""

    id: UUID
    type: str
    service: str
    time: datetime
    records: list[Published] = field(default_factory=list)
    row: Any = None

    @property
    def trace_id(self) -> str | None:
        """From the `traceparent`: `00-<trace id>-<span id>-<flags>`."""
        envelope = self.records[0].envelope if self.records else None
        traceparent = envelope.traceparent if envelope else self.row and self.row.traceparent
        return traceparent.split("-")[1] if traceparent else None


@dataclass(frozen=True)
class Events:
    """All events of an order, when each service received them, and the records that are no valid events."""

    all: Sequence[Event]
    consumed: dict[str, dict[UUID, datetime]]
    """Service → event → when the service received it."""
    others: Sequence[Published]
    parked: dict[str, Rows]

    def consumed_by(self, service: str, type: str, before: datetime) -> datetime | None:
        """When the service received its last event of this type before that time."""
        inbox = self.consumed[service]
        times = [inbox[event.id] for event in self.all if event.type == type and event.id in inbox]
        return max((time for time in times if time <= before), default=None)

    def steps(self, now: datetime, kafka_was_read: bool) -> Iterator[Step]:
        for event in self.all:
            for step in (*_emitted(event, now, kafka_was_read), *_published(event), *self._consumed(event)):
                yield replace(step, trace_id=event.trace_id)
        for service, rows in self.parked.items():
            yield from (Step(row.parked_at, service, _blocked(row)) for row in rows)
        for record in self.others:
            why = f"dead letter: {record.error}" if record.error else "a record that can't be read"
            yield Step(record.at, "Kafka", f"{why} ({record.place})")

    def _consumed(self, event: Event) -> Iterator[Step]:
        published = event.records[0].at if event.records else None
        for service, inbox in self.consumed.items():
            if event.id in inbox:
                at = inbox[event.id]
                wait = Wait.since(published, at, f"Kafka → {service}")
                yield Step(at, service, f"consumed {event.type}", wait, Kind.CONSUMED)


def merge(outbox: dict[str, Rows], records: Iterable[Published]) -> tuple[list[Event], list[Published]]:
    """The events of outboxes and Kafka, sorted by time, and the records that are no valid events."""
    found: dict[UUID, Event] = {}
    others = []
    for service, rows in outbox.items():
        for row in rows:
            found[row.event_id] = Event(row.event_id, short(row.type), service, row.time, row=row)
    for record in records:
        envelope = record.envelope
        if envelope is None or record.error is not None:
            others.append(record)
            continue
        event = Event(envelope.id, short(envelope.type), service_of(envelope.source), envelope.time)
        found.setdefault(envelope.id, event).records.append(record)
    return sorted(found.values(), key=lambda event: event.time), others


def _emitted(event: Event, now: datetime, kafka_was_read: bool) -> Iterator[Step]:
    waits = event.row is not None and event.row.published_at is None
    if not waits:
        lost = "" if event.records or not kafka_was_read else ", no longer in Kafka"
        yield Step(event.time, event.service, f"emitted {event.type}{lost}", kind=Kind.EMITTED)
        return
    why = f" (parked: {event.row.error})" if event.row.parked_at else ""
    wait = None if event.records else Wait.since(event.time, now, "outbox → Kafka, until now")
    yield Step(event.time, event.service, f"emitted {event.type}, not published yet{why}", wait, Kind.EMITTED)


def _published(event: Event) -> Iterator[Step]:
    if not event.records and event.row.published_at:
        # It is marked after Kafka's acknowledgement, so other services may have received it before.
        wait = Wait.since(event.time, event.row.published_at, "outbox → Kafka, until marked")
        yield Step(event.row.published_at, event.service, f"marked {event.type} as published", wait, Kind.PUBLISHED)
    for number, record in enumerate(event.records):
        # Kafka's time has whole milliseconds.
        at = max(record.at, event.time)
        again = " again" if number else ""
        wait = None if again else Wait.since(event.time, at, "outbox → Kafka")
        yield Step(at, event.service, f"published {event.type}{again} ({record.place})", wait, Kind.PUBLISHED)


def _blocked(row: Any) -> str:
    if row.status == "dead":
        return f"gave {short(row.type)} up after {row.attempts} attempts: {row.error}"
    why = f"{row.attempts} attempts: {row.error}" if row.error else "behind an earlier one"
    return f"parked {short(row.type)} ({why})"
