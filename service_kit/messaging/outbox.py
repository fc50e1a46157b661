"""Events leave in the transaction that makes them true: a row each, published by the relay after the commit.

Lock the aggregate's row (or write it) before adding its event, so that two writers can't publish out of order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from contracts.events.base import Event
from contracts.topics import MAX_DEAD_LETTER_BYTES
from service_kit.clock import utcnow
from service_kit.database.sessions import fetch
from service_kit.ids import uuid7
from service_kit.messaging.any_session import AnySession, mark_events_added
from service_kit.messaging.envelope import Headers, headers_to_json
from service_kit.telemetry.tracing import current_traceparent

INSERT_COLUMNS = "event_id, topic, key, type, subject, source, time, traceparent, value"
_DELETE_PUBLISHED = "DELETE FROM outbox WHERE subject = $1 AND published_at IS NOT NULL"
_TYPES = ("uuid", "text", "bytea", "text", "text", "text", "timestamptz", "text", "bytea")
COLUMN_COUNT = len(_TYPES)
_HEADERS_AND_FRAMING = 1024  # what a record needs besides key and value, generously


def unnest(first: int) -> str:
    """`FROM`-clause piece that turns `columns(…)`, given as parameters `$first` and on, into rows in their order."""
    return "unnest(" + ", ".join(f"${first + n}::{type}[]" for n, type in enumerate(_TYPES)) + ")"


UNNEST = unnest(1)
INSERT = f"INSERT INTO outbox ({INSERT_COLUMNS}) SELECT * FROM {UNNEST}"  # noqa: S608 (no input in it)


class Columns(NamedTuple):
    """Events as parallel arrays: the arguments of `unnest`, in the order of INSERT_COLUMNS."""

    event_id: list[UUID]
    topic: list[str]
    key: list[bytes]
    type: list[str]
    subject: list[str]
    source: list[str]
    time: list[datetime]
    traceparent: list[str | None]
    value: list[bytes]


class EventTooLarge(ValueError):
    """Raised while the use case can still fail; in the relay it would be too late."""


async def add(tx: AnySession, *events: Event, traceparents: Sequence[str | None] | None = None) -> None:
    """Publishes the events if, and only if, the transaction commits.

    They continue the current trace; a batch handler, whose events belong to many, names each one's `traceparents`.
    """
    if not events:
        return
    await fetch(tx, INSERT, *columns(events, traceparents))
    mark_events_added(tx)


async def delete_published(tx: AnySession, subject: str) -> None:
    """Deletes the published events of a subject, by a sequential scan: this is too rare for an index."""
    await fetch(tx, _DELETE_PUBLISHED, subject)


def columns(events: Sequence[Event], traceparents: Sequence[str | None] | None = None) -> Columns:
    """The columns for a hot statement that inserts the events itself, which must then set `added_events`."""
    if traceparents is None:
        traceparents = [current_traceparent()] * len(events)
    now = utcnow()
    return Columns(
        event_id=[uuid7() for _ in events],
        topic=[event.topic.name for event in events],
        key=[event.key.encode() for event in events],
        type=[event.type for event in events],
        subject=[event.subject for event in events],
        source=[event.source for event in events],
        time=[now] * len(events),
        traceparent=list(traceparents),
        value=[_value(event) for event in events],
    )


def _value(event: Event) -> bytes:
    value = event.model_dump_json().encode()
    if len(value) + len(event.key) + _HEADERS_AND_FRAMING > event.topic.max_record_bytes:
        raise EventTooLarge(
            f"{event.type} of {event.subject} has {len(value)} bytes; topic {event.topic.name} takes records of "
            f"{event.topic.max_record_bytes}, envelope included"
        )
    return value


_INSERT_DEAD_LETTER = """
    INSERT INTO outbox (event_id, topic, key, type, subject, source, time, headers, value)
    VALUES ($1, $2, $3, $4, '', '', $5, $6::json, $7)
"""


async def add_dead_letter(
    tx: AnySession,
    *,
    topic: str,
    partition: int,
    offset: int,
    key: bytes,
    headers: Headers,
    value: bytes,
    error: str,
    attempts: int,
) -> None:
    """A copy to `<topic>.dlq`, with the headers it came with and why it is there.

    Through the outbox, so that it is published if, and only if, the transaction that gives up on the record commits.
    """
    why = [
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(offset).encode()),
        ("error", error[:2000].encode(errors="replace")),
        ("attempts", str(attempts).encode()),
    ]
    full = headers_to_json([*headers, *why])
    room = MAX_DEAD_LETTER_BYTES - len(key) - len(full) - _HEADERS_AND_FRAMING
    await fetch(
        tx, _INSERT_DEAD_LETTER, uuid7(), f"{topic}.dlq", key, "dead-letter", utcnow(), full, value[: max(room, 0)]
    )
    mark_events_added(tx)
