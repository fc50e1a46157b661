"""After a service's database was restored to an earlier moment, while topics and other databases are ahead of it.

The service's own events that are on the topics and not in its outbox tell what it did after that moment. They are put
back into the outbox as published, and the service's own part (`<package>/recovery.py`) makes from them what it can.
Versions and sequences then go above everything that was published, so that consumers accept what comes next; and the
consumer group goes back to before the moment, so that events of others are handled again: the inbox skips those that
the database has already.
"""

import asyncio
import importlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json

from contracts.events import by_type
from contracts.events.base import Event
from contracts.topics import TOPICS, Topic
from service_kit.database import Database, Statement, Transaction, rows
from service_kit.messaging import journal, outbox
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import OURS, Envelope, Record, Unreadable, decode
from service_kit.settings import ServiceSettings

MARGIN = timedelta(hours=1)
"""How long before the moment topics are read from: longer than any consumer lags behind, shorter than the outbox keeps
published events."""
CLOCKS_DIFFER = timedelta(minutes=1)
JUMP = 1000
"""Versions and sequences go so far ahead of the last known value: those of changes that were never published."""

_IN_OUTBOX = Statement("SELECT event_id, published_at IS NULL FROM outbox WHERE event_id = ANY(:ids::uuid[])")
_MARK_PUBLISHED = Statement("UPDATE outbox SET published_at = now() WHERE event_id = ANY(:ids::uuid[])")
_PUT_BACK = Statement(f"""
INSERT INTO outbox ({outbox.COLUMNS}, published_at)
SELECT {outbox.COLUMNS}, now() FROM {rows("events", outbox.Row)}
""")  # noqa: S608 (no input in it)


class WorkedSince(Exception):
    """The service has worked since its database was restored, so that it is too late to recover it."""


class Entry(NamedTuple):
    """A record that was written after the moment, or shortly before it."""

    record: Record
    envelope: Envelope

    @property
    def version(self) -> int:
        return int(from_json(self.record.value)["version"])


@dataclass
class Journal:
    """`own`: the service's events that its database lacks; `others`: the events of other services, also those that it
    has handled already; both by time. `found` counts what is done, for the report; `lists` names what people must
    look after."""

    moment: datetime
    own: list[Entry]
    others: list[Entry]
    found: Counter[str] = field(default_factory=Counter)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, *names: object) -> None:
        self.found[what] += len(names)
        self.lists.setdefault(what, []).extend(map(str, names))

    def newest_versions(self, topic: Topic) -> dict[UUID, int]:
        """By subject: the highest version of the service's own events on the topic that its database lacks."""
        newest: dict[UUID, int] = {}
        for entry in self.own:
            if entry.record.topic == topic.name:
                subject = UUID(entry.envelope.subject)
                newest[subject] = max(entry.version, newest.get(subject, 0))
        return newest


def newest_snapshots(journal: Journal) -> list[Event]:
    """The newest of the service's own events of each key, in the order of their keys."""
    newest: dict[bytes, Event] = {}
    for entry in journal.own:
        model = by_type(entry.envelope.type)
        event = model.model_validate_json(entry.record.value) if model else None
        known = newest.get(entry.record.key)
        if event is not None and (known is None or known.version < event.version):
            newest[entry.record.key] = event
    return [newest[key] for key in sorted(newest)]


Step = Callable[[Transaction, Journal, Any], Awaitable[None]]


@dataclass(frozen=True)
class Recovery:
    """A service's part. `recover` runs in the transaction that puts events back into the outbox; `reconcile` after its
    commit, with outside systems. Both take the service's settings last, and may be repeated."""

    recover: Step
    reconcile: Callable[[Database, Journal, Any], Awaitable[None]] | None = None


def restored(package: str, moment: datetime, settings: ServiceSettings) -> dict[str, Any]:
    """Recovers what the database lacks, and moves the service's consumer group. No process of the service may run.

    It can be repeated before the service is started. Returns the report. Raises: GroupIsActive, WorkedSince.
    """
    own: Recovery = importlib.import_module(f"{package}.recovery").RECOVERY
    return asyncio.run(_restored(own, moment, settings))


async def _restored(service: Recovery, moment: datetime, settings: ServiceSettings) -> dict[str, Any]:
    kafka, prefix, since = KafkaConnection.of(settings), settings.kafka_topic_prefix, moment - MARGIN
    name = settings.service
    read = [topic for topic in TOPICS if name in topic.readers]
    # First, since it fails while a process of the service still consumes. The user service reads no topic.
    if read:
        await journal.move_group(kafka, prefix, prefix + settings.service_name, read, since)
    concerned = [topic for topic in TOPICS if name in (*topic.readers, *topic.writers)]
    entries = _entries(await journal.records_since(kafka, prefix, concerned, since))
    database = Database.of(settings)
    try:
        async with database.transaction() as tx:
            own = [entry for entry in entries if entry.envelope.source == f"/{settings.service_name}"]
            others = [entry for entry in entries if entry.envelope.source != f"/{settings.service_name}"]
            lacking = await put_back(tx, own)
            check_unused(moment, own, lacking)
            found = Journal(moment, lacking, others)
            found.found["events put back"] = len(lacking)
            await service.recover(tx, found, settings)
        if service.reconcile is not None:
            await service.reconcile(database, found, settings)
    finally:
        await database.close()
    return {"moment": moment.isoformat(), "counts": dict(found.found), "lists": found.lists}


def _entries(records: Sequence[Record]) -> list[Entry]:
    """By time; of those with the same time, in the order of their topic. Records that aren't ours are left out."""
    found = []
    for record in records:
        try:
            found.append(Entry(record, decode(record.headers, key=record.key, timestamp_ms=record.timestamp_ms)))
        except Unreadable:
            continue
    return sorted((e for e in found if e.envelope.type.startswith(OURS)), key=lambda entry: entry.envelope.time)


async def put_back(tx: Transaction, published: Sequence[Entry]) -> list[Entry]:
    """Marks what was published as published, and puts back what the outbox lacks, which is returned."""
    first: dict[UUID, Entry] = {}
    for entry in published:
        first.setdefault(entry.envelope.id, entry)
    known = dict(await _IN_OUTBOX.fetch(tx, ids=list(first)))
    await _MARK_PUBLISHED.execute(tx, ids=[id for id, is_unpublished in known.items() if is_unpublished])
    lacking = [entry for id, entry in first.items() if id not in known]
    await _PUT_BACK.execute(tx, events=[_row(entry) for entry in lacking])
    return lacking


def check_unused(moment: datetime, own: Sequence[Entry], lacking: Sequence[Entry]) -> None:
    """Events that the outbox lacks must be those after the moment, and not those that were deleted from it long after
    they were recovered. Raises: WorkedSince."""
    ids = {entry.envelope.id for entry in lacking}
    known = [entry for entry in own if entry.envelope.id not in ids]
    if lacking and (later := [entry for entry in known if entry.envelope.time > moment + CLOCKS_DIFFER]):
        raise WorkedSince(
            f"The database has events of its service from after {moment.isoformat()}, such as {later[0].envelope.id}, "
            f"and lacks {len(lacking)} others: it was restored to another moment, or the service has worked since"
        )


def _row(entry: Entry) -> outbox.Row:
    record, envelope = entry
    return outbox.Row(
        envelope.id, record.topic, record.key, envelope.type, envelope.subject, envelope.source, envelope.time,
        envelope.traceparent, record.value,
    )  # fmt: skip
