"""The recovery of a database from events, without a broker: what a service has in its outbox counts as published."""

import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from contracts.events.base import Event
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from service_kit.recovery import Entry, Journal, Recovery, put_back
from service_kit.runtime import Runtime
from tests.harness.databases import drop_database, new_database

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
OUTBOX = "SELECT event_id, type, source, subject, time, topic, key, value FROM outbox ORDER BY id"


def entry_of(event: Event, id: UUID | None = None) -> Entry:
    """The event as a record that was written now."""
    envelope = Envelope(id or uuid7(), event.type, event.source, event.subject, utcnow())
    return _entry(envelope, event.topic.name, event.key.encode(), event.model_dump_json().encode())


async def published_by(runtime: Runtime) -> list[Entry]:
    async with runtime.database.connection() as connection:
        rows = await connection.fetch(OUTBOX)
    return [_entry(Envelope(*row[:5]), row["topic"], row["key"], row["value"]) for row in rows]


@asynccontextmanager
async def restored_database(package: str) -> AsyncIterator[Database]:
    """A database as it was at the moment: empty."""
    url = new_database(package)
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()
        drop_database(url)


async def recover(runtime: Runtime, restored: Database, others: Sequence[Entry] = ()) -> Journal:
    """Recovers what the running service has done since the moment."""
    own: Recovery = importlib.import_module(f"{runtime.settings.service_name}.recovery").RECOVERY
    async with restored.transaction() as tx:
        journal = Journal(MOMENT, await put_back(tx, await published_by(runtime)), list(others))
        await own.recover(tx, journal, runtime.settings)
    if own.reconcile is not None:
        await own.reconcile(restored, journal, runtime.settings)
    return journal


async def unpublished(database: Database) -> list[str]:
    """The types of the events that are still to be published."""
    async with database.connection() as connection:
        return [row[0] for row in await connection.fetch("SELECT type FROM outbox WHERE published_at IS NULL")]


def _entry(envelope: Envelope, topic: str, key: bytes, value: bytes) -> Entry:
    return Entry(Record(topic, 0, 0, key, encode(envelope), value), envelope)
