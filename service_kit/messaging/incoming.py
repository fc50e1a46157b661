"""Incoming Kafka records: decodes them, skips those without a handler, and groups the rest for handling."""

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from contracts.events.base import Event
from service_kit.messaging import metrics
from service_kit.messaging.envelope import Envelope, Record, Unreadable, decode
from service_kit.messaging.subscriptions import Handler, Subscription

Item = TypeVar("Item")
Kind = TypeVar("Kind", bound=Hashable)


class Incoming(NamedTuple):
    """A record that has a handler."""

    record: Record
    envelope: Envelope
    handler: Handler
    body: Event | ValidationError

    @property
    def event(self) -> Event:
        """Raises: ValidationError, for a body that the current model of its type rejects."""
        if isinstance(self.body, ValidationError):
            raise self.body
        return self.body


@dataclass(slots=True)
class Sorted:
    """The records of one topic that are to be handled, and those that can't be read, with the reason."""

    wanted: list[Incoming] = field(default_factory=list)
    unreadable: list[tuple[Record, str]] = field(default_factory=list)


def sort(records: Iterable[Record], subscription: Subscription, own_source: str) -> Sorted:
    """Decodes records. Those without a handler are skipped and counted; the others keep their order."""
    found = Sorted()
    for record in records:
        try:
            incoming = read(record, subscription, own_source)
        except Unreadable as error:
            found.unreadable.append((record, str(error)))
        else:
            if incoming is not None:
                found.wanted.append(incoming)
    return found


def read(record: Record, subscription: Subscription, own_source: str) -> Incoming | None:
    """Decodes a record. None for the service's own events, and for types without a handler.

    Raises: Unreadable, also for an event whose source is not trusted for this topic: a forged report of a payment
    must never be handled.
    """
    envelope = decode(record.headers, key=record.key, timestamp_ms=record.timestamp_ms)
    if envelope.source not in subscription.trusted_sources:
        raise Unreadable(f"source {envelope.source!r} is not trusted for topic {record.topic}")
    if envelope.source == own_source:
        metrics.SKIPPED.labels(record.topic, "own").inc()
        return None
    handler = subscription.handlers.get(envelope.type)
    if handler is None:
        metrics.SKIPPED.labels(record.topic, "unknown").inc()
        return None
    body: Event | ValidationError
    try:
        body = handler.event.model_validate_json(record.value)
    except ValidationError as error:
        if any(detail["type"] == "json_invalid" for detail in error.errors()):
            raise Unreadable("the value is not JSON") from error
        body = error  # JSON, but not of this type: a newer release may be able to read it, so it is queued for retry
    return Incoming(record, envelope, handler, body)


def groups(items: Sequence[tuple[Hashable, Kind, Item]]) -> list[tuple[Kind, list[Item]]]:
    """Splits (key, kind, item) triples into runs of one kind, such that each key's items keep their order.

    An item may join any run of its kind that is not before its key's last run. It joins the first such run, which
    leaves the key's next item the most choices; this greedy algorithm gives few runs, but not always the fewest.
    """
    if len({kind for _, kind, _ in items}) == 1:
        return [(items[0][1], [item for _, _, item in items])]
    runs: list[tuple[Kind, list[Item]]] = []
    runs_of: dict[Kind, list[int]] = {}
    last_run: dict[Hashable, int] = {}
    for key, kind, item in items:
        mine = runs_of.setdefault(kind, [])
        at = bisect_left(mine, last_run.get(key, 0))
        if at == len(mine):
            mine.append(len(runs))
            runs.append((kind, []))
        runs[mine[at]][1].append(item)
        last_run[key] = mine[at]
    return runs


def newest(items: Iterable[Incoming]) -> list[Incoming]:
    """The event with the highest `version` of each key, in ascending order of the keys."""
    found: dict[bytes, Incoming] = {}
    for item in items:
        known = found.setdefault(item.record.key, item)
        if known.event.version < item.event.version:
            found[item.record.key] = item
    return [found[key] for key in sorted(found)]
