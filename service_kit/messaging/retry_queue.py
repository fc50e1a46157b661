"""The retry queue: failed events and later ones of their key, retried with back-off, in the end dead-lettered.

The order of one (topic, key) is the order of `id`; only the first of them may be tried, whatever its status. A terminal
event of a key (`Event.terminal`) supersedes those before it, so it does not wait for them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.events import EVENTS
from service_kit.database.sessions import AnySession, Transaction
from service_kit.database.statements import Statement, rows
from service_kit.messaging.envelope import Record, headers_from_json, headers_to_json
from service_kit.messaging.incoming import Incoming
from service_kit.queue import Claimed, Outcome, Queue

_TERMINAL_TYPES = [event.type for event in EVENTS if event.terminal]

_WAITING_KEYS = Statement("SELECT DISTINCT key FROM parked_events WHERE topic = :topic AND key = ANY (:keys::bytea[])")


class Row(NamedTuple):
    """An event as it is stored in the queue."""

    position: int
    event_id: UUID
    topic: str
    partition: int
    offset: int
    key: bytes
    type: str
    headers: list[tuple[str, str]]
    value: bytes


# Ids are assigned in the order of `position`. A redelivered snapshot, which has no inbox row, is inserted only once.
_ENQUEUE = Statement(f"""
    INSERT INTO parked_events
        (event_id, topic, partition, "offset", key, type, headers, value, attempts, error, next_attempt_at)
    SELECT event_id, topic, partition, "offset", key, type, headers::json, value, :attempts::int, :error::text,
           now() + :wait::interval
    FROM {rows("given", Row)}
    ORDER BY position
    ON CONFLICT (event_id) DO NOTHING
""")  # noqa: S608 (no input in it)

_IS_NEXT = """
    NOT EXISTS (SELECT FROM parked_events AS earlier
                WHERE earlier.topic = parked_events.topic AND earlier.key = parked_events.key
                  AND earlier.id < parked_events.id
                  AND (earlier.type = ANY (:terminal::text[]) OR parked_events.type <> ALL (:terminal::text[])))
"""
QUEUE = Queue("parked_events", waiting="status = 'waiting'", id_type="bigint")
_DUE = Statement(
    f"SELECT id, topic FROM parked_events WHERE {QUEUE.ready} AND {_IS_NEXT} ORDER BY next_attempt_at LIMIT 20"  # noqa: S608 (no input in it)
)
# Only the replica that holds the row's lock may try the event. The lock lasts until the event's effects and the row's
# deletion are committed, so that no other replica can try the key's next event before.
_TAKE = Statement(f"""
    SELECT attempts, next_attempt_at, topic, partition, "offset", key, headers, value FROM parked_events
    WHERE id = :id AND {QUEUE.ready} AND {_IS_NEXT}
    FOR UPDATE SKIP LOCKED
""")  # noqa: S608 (no input in it)
# The deletion waits for a process that is handling one of the earlier events.
_SUPERSEDE = Statement("""
    DELETE FROM parked_events AS earlier USING parked_events AS last
    WHERE last.id = :id AND earlier.topic = last.topic AND earlier.key = last.key AND earlier.id < last.id
""")
_DELETE_COPIES = Statement("""
    DELETE FROM outbox USING parked_events AS last
    WHERE last.id = :id AND outbox.topic = last.topic || '.dlq' AND outbox.key = last.key AND published_at IS NOT NULL
""")
_DONE = Statement("DELETE FROM parked_events WHERE id = :id")
_GIVE_UP = Statement("""
    UPDATE parked_events SET status = 'dead', attempts = attempts + 1, error = :error
    WHERE id = :id AND status = 'waiting' AND next_attempt_at = :held_until
""")
_LIST = Statement("""
    SELECT id, event_id, topic, partition, "offset", key, type, substring(value FOR :preview) AS value,
           length(value) AS value_bytes, attempts, error, parked_at AS queued_at,
           (SELECT count(*) FROM parked_events AS later
            WHERE later.topic = parked.topic AND later.key = parked.key AND later.id > parked.id) AS behind
    FROM parked_events AS parked
    WHERE status = 'dead' AND id > :after
    ORDER BY id LIMIT :limit
""")
_REPLAY = Statement("""
    UPDATE parked_events SET status = 'waiting', attempts = 0, next_attempt_at = now()
    WHERE id = :id AND status = 'dead' RETURNING event_id, topic
""")
_DISCARD = Statement("DELETE FROM parked_events WHERE id = :id AND status = 'dead' RETURNING event_id, topic")
_COUNT = Statement(
    "SELECT count(*) FILTER (WHERE status = 'waiting'), count(*) FILTER (WHERE status = 'dead') FROM parked_events"
)


PREVIEW_BYTES = 4_000


Preview = Annotated[str, BeforeValidator(lambda stored: stored.decode(errors="replace"))]


class DeadLetter(BaseModel):
    """An event that failed at every attempt. `behind` events of the same key wait for it."""

    model_config = ConfigDict(title="DeadLetterOut")

    id: int
    event_id: UUID
    topic: str
    partition: int
    offset: int
    key: Preview
    type: str
    value: Preview = Field(description="its first 4,000 bytes; the topic's `.dlq` has all of it")
    value_bytes: int = Field(description="the length of the whole value in bytes")
    attempts: int
    error: str | None
    queued_at: datetime
    behind: int


async def waiting_keys(tx: AnySession, topic: str, keys: Collection[bytes]) -> set[bytes]:
    """Those of the keys that have events in the retry queue: later events must queue behind these."""
    return {row[0] for row in await _WAITING_KEYS.fetch(tx, topic=topic, keys=list(keys))}


async def enqueue(
    tx: AnySession, batch: Sequence[Incoming], *, failed: str | None = None, wait: timedelta = timedelta(0)
) -> None:
    """Appends the events to their keys' queues. `failed`: the error of the first attempt."""
    given = [
        Row(
            position, envelope.id, record.topic, record.partition, record.offset, record.key, envelope.type,
            headers_to_json(record.headers), record.value,
        )
        for position, (record, envelope, *_) in enumerate(batch)
    ]  # fmt: skip
    await _ENQUEUE.execute(tx, given=given, attempts=0 if failed is None else 1, error=failed, wait=wait)


async def due(tx: AnySession) -> list[tuple[int, str]]:
    """Some events that may be tried now: id and topic."""
    return [(row[0], row[1]) for row in await _DUE.fetch(tx, terminal=_TERMINAL_TYPES)]


@dataclass(frozen=True)
class Taken(Claimed):
    """An event that is locked for this attempt."""

    record: Record


async def lock(tx: AnySession, id: int) -> Taken | None:
    """Locks an event for an attempt. None if another replica has locked it, or if it must not be tried now."""
    row = await _TAKE.fetchrow(tx, terminal=_TERMINAL_TYPES, id=id)
    if row is None:
        return None
    attempts, due_at, topic, partition, offset, key, headers, value = row
    return Taken(id, attempts, due_at, Record(topic, partition, offset, key, headers_from_json(headers), value))


async def supersede(tx: AnySession, id: int) -> int:
    """Deletes the events that this terminal event supersedes, and their published copies for the .dlq, before it takes
    effect, so that none of them can be handled after it. Returns their number."""
    superseded = await _SUPERSEDE.execute(tx, id=id)
    if superseded:
        await _DELETE_COPIES.execute(tx, id=id)
    return superseded


async def done(tx: AnySession, id: int) -> None:
    await _DONE.execute(tx, id=id)


async def settle(tx: Transaction, outcome: Outcome[Taken]) -> bool:
    """Stores the outcome, unless another replica has tried the event since. Returns whether it is a dead letter now."""
    if outcome.wait is not None:
        await QUEUE.release(tx, [outcome], outcome.row.held_until)
        return False
    row = outcome.row
    return bool(await _GIVE_UP.execute(tx, id=row.id, held_until=row.held_until, error=outcome.error))


async def dead_letters(tx: AnySession, *, after: int, limit: int) -> list[DeadLetter]:
    """Dead letters in the order in which they were queued, after the id `after`."""
    return await _LIST.fetch_as(tx, DeadLetter, after=after, limit=limit, preview=PREVIEW_BYTES)


async def replay(tx: AnySession, id: int) -> tuple[UUID, str] | None:
    """Resets the attempts of a dead letter. Returns its event id and topic; None: there is no such dead letter."""
    return _id_and_topic(await _REPLAY.fetchrow(tx, id=id))


async def discard(tx: AnySession, id: int) -> tuple[UUID, str] | None:
    """Deletes a dead letter (its copy stays in the .dlq), so that events behind it continue. Returns as `replay`."""
    return _id_and_topic(await _DISCARD.fetchrow(tx, id=id))


async def count(tx: AnySession) -> tuple[int, int]:
    """The number of events that wait, and that of dead letters."""
    waiting, dead = await _COUNT.fetchrow(tx)
    return waiting, dead


def _id_and_topic(row: Any) -> tuple[UUID, str] | None:
    return row and (row[0], row[1])
