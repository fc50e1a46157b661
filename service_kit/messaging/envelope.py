"""CloudEvents 1.0 in Kafka binary mode: what an event is stands in headers, the value is its JSON body alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

OURS = "mart."
_READ = frozenset(("ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "traceparent"))

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the headers say about one event."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    traceparent: str | None = None


class Unreadable(Exception):
    """The record can't be understood at all, today or after any number of attempts."""


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
    try:
        values = {name: value.decode() for name, value in headers if name in _READ and value is not None}
        id, type, source = values["ce_id"], values["ce_type"], values["ce_source"]
    except KeyError as missing:
        raise Unreadable(f"no {missing.args[0]} header") from missing
    except UnicodeDecodeError as error:
        raise Unreadable("a CloudEvents header is not UTF-8") from error
    if not type.startswith(OURS):
        raise Unreadable(f"type {type!r} is outside {OURS}")
    return Envelope(
        id=_uuid(id, source),
        type=type,
        source=source,
        subject=values.get("ce_subject") or key.decode(errors="replace"),
        time=_time(values.get("ce_time"), timestamp_ms),
        traceparent=values.get("traceparent"),
    )


def _uuid(id: str, source: str) -> UUID:
    """CloudEvents lets others use any string, unique with its source: it maps to the same UUID every time."""
    try:
        return UUID(id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"{source}\n{id}")


def _time(value: str | None, timestamp_ms: int) -> datetime:
    try:
        time = datetime.fromisoformat(value or "")
    except ValueError:
        return datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def headers_to_json(headers: Headers) -> str:
    """Latin-1 maps every byte to a character and back, and leaves what people wrote readable."""
    return json.dumps([[name, (value or b"").decode("latin-1")] for name, value in headers])


def headers_from_json(text: str) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in json.loads(text)]
