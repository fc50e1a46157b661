"""CloudEvents 1.0 in Kafka binary mode: an event's attributes are headers, and the value is only its JSON body."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from asyncpg.pgproto import pgproto

OURS = "mart."
_READ = ("ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "traceparent")

Headers = Sequence[tuple[str, bytes]]


class Envelope(NamedTuple):
    """The attributes of an event, from the headers."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    traceparent: str | None = None


class Unreadable(Exception):
    """The record can't be parsed or must not be handled, so retries are useless."""


class Record(NamedTuple):
    """A record of Kafka; `topic` is without the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: Headers
    value: bytes
    timestamp_ms: int = 0


def encode(envelope: Envelope) -> list[tuple[str, bytes]]:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(envelope.id).encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_time", envelope.time.isoformat().encode()),
        ("ce_subject", envelope.subject.encode()),
        ("content-type", b"application/json"),
    ]
    if envelope.traceparent:
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers


def decode(headers: Iterable[tuple[str, bytes]], *, key: bytes, timestamp_ms: int) -> Envelope:
    """The envelope of a record; `ce_subject` and `ce_time` may be absent. Raises: Unreadable."""
    values = dict(headers)
    try:
        id, type, source, subject, time, traceparent = [(values.get(name) or b"").decode() for name in _READ]
    except UnicodeDecodeError as error:
        raise Unreadable("a CloudEvents header is not UTF-8") from error
    if not (id and type and source):
        raise Unreadable(f"no {'ce_source' if id and type else 'ce_type' if id else 'ce_id'} header")
    if not type.startswith(OURS):
        raise Unreadable(f"type {type!r} is outside {OURS}")
    return Envelope(
        _uuid(id, source),
        type,
        source,
        subject or key.decode(errors="replace"),
        _time(time, timestamp_ms),
        traceparent or None,
    )


def _uuid(id: str, source: str) -> UUID:
    """CloudEvents allows any string as an id, unique within its source; equal ids map to equal UUIDs.

    UUIDs of asyncpg's own class are parsed, compared and sent to the database several times as fast as Python's.
    """
    try:
        return pgproto.UUID(id) if len(id) <= 36 else pgproto.UUID(UUID(id).bytes)  # longer: may be `urn:uuid:…`
    except ValueError:
        return pgproto.UUID(uuid5(NAMESPACE_URL, f"{source}\n{id}").bytes)


def _time(value: str, timestamp_ms: int) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def headers_to_json(headers: Headers) -> list[tuple[str, str]]:
    """Latin-1 maps every byte to a character and back, and leaves ASCII text readable."""
    return [(name, (value or b"").decode("latin-1")) for name, value in headers]


def headers_from_json(stored: Iterable[tuple[str, str]]) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in stored]
