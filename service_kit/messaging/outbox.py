"""The transactional outbox: a transaction adds its events as rows, and the relay publishes them after the commit.

Lock the aggregate's row (or write it) before adding its event, so that two writers can't publish out of order.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from contracts.events.base import Event
from contracts.topics import MAX_DEAD_LETTER_BYTES
from service_kit.clock import utcnow
from service_kit.database import statements
from service_kit.database.sessions import AnySession, mark_events_added
from service_kit.database.statements import Statement
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Record, headers_to_json
from service_kit.telemetry.tracing import current_traceparent

_HEADERS_AND_FRAMING = 1024  # more than a record needs besides key and value


class Row(NamedTuple):
    """An event as a row of the outbox."""

    event_id: UUID
    topic: str
    key: bytes
    type: str
    subject: str
    source: str
    time: datetime
    traceparent: str | None
    value: bytes


COLUMNS = ", ".join(Row._fields)
ROWS = statements.rows("events", Row)
"""The FROM item of a statement that reads new events from its row set `events`, which `rows` makes."""
INSERT = f"INSERT INTO outbox ({COLUMNS}) SELECT * FROM {ROWS}"  # noqa: S608 (no input in it)
_INSERT = Statement(INSERT)
_DELETE_PUBLISHED = Statement("DELETE FROM outbox WHERE subject = :subject AND published_at IS NOT NULL")
_INSERT_DEAD_LETTER = Statement("""
INSERT INTO outbox (event_id, topic, key, type, subject, source, time, headers, value)
VALUES (:event_id, :record.topic::text || '.dlq', :record.key, 'dead-letter', '', '', now(), :headers::json, :value)
""")


class EventTooLarge(ValueError):
    """The event is larger than its topic allows. The use case fails, since the relay could never publish it."""


async def add(tx: AnySession, *events: Event, traceparents: Sequence[str | None] | None = None) -> None:
    """Publishes the events if, and only if, the transaction commits. Raises: EventTooLarge.

    They continue the current trace. Handlers of batches, whose events belong to several traces, pass `traceparents`.
    """
    if not events:
        return
    await _INSERT.execute(tx, events=rows(events, traceparents))
    mark_events_added(tx)


async def delete_published(tx: AnySession, subject: str) -> None:
    """Deletes the published events of a subject, by a sequential scan: this is too rare for an index."""
    await _DELETE_PUBLISHED.execute(tx, subject=subject)


def rows(events: Sequence[Event], traceparents: Sequence[str | None] | None = None) -> list[Row]:
    """The events as rows, for a hot statement that inserts them itself; its caller must then set `added_events`."""
    if traceparents is None:
        traceparents = [current_traceparent()] * len(events)
    now = utcnow()
    return [
        Row(
            uuid7(), event.topic.name, key := event.key.encode(), event.type, event.subject, event.source, now,
            traceparent, _value(event, key),
        )
        for event, traceparent in zip(events, traceparents, strict=True)
    ]  # fmt: skip


def _value(event: Event, key: bytes) -> bytes:
    value = to_json(event)
    if len(value) + len(key) + _HEADERS_AND_FRAMING > event.topic.max_record_bytes:
        raise EventTooLarge(
            f"{event.type} of {event.subject} has {len(value)} bytes; topic {event.topic.name} takes records of "
            f"{event.topic.max_record_bytes}, envelope included"
        )
    return value


async def add_dead_letter(tx: AnySession, record: Record, *, error: str, attempts: int) -> None:
    """Adds a copy of the record for `<topic>.dlq`, with its original headers and the reason, to the outbox.

    So the copy is published if, and only if, the transaction commits that ends the record's attempts.
    """
    why = [
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("error", error[:2000].encode(errors="replace")),
        ("attempts", str(attempts).encode()),
    ]
    headers = headers_to_json([*record.headers, *why])
    room = MAX_DEAD_LETTER_BYTES - len(record.key) - len(json.dumps(headers)) - _HEADERS_AND_FRAMING
    await _INSERT_DEAD_LETTER.execute(
        tx, event_id=uuid7(), record=record, headers=headers, value=record.value[: max(room, 0)]
    )
    mark_events_added(tx)
