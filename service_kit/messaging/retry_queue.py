"""The retry queue: failed events and later ones of their key, retried with back-off, in the end dead-lettered.

The order of one (topic, key) is the order of `id`; only the first of them may be tried, whatever its status. A terminal
event of a key (`Event.terminal`) supersedes those before it, so it does not wait for them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.events import EVENTS
from service_kit.database.sessions import Transaction, fetch
from service_kit.messaging.any_session import AnySession
from service_kit.messaging.envelope import headers_from_json, headers_to_json
from service_kit.messaging.incoming import Incoming, Record
from service_kit.queue import Claimed, Outcome, Queue

_TERMINAL_TYPES = [event.type for event in EVENTS if event.terminal]

_WAITING_KEYS = "SELECT DISTINCT key FROM parked_events WHERE topic = $1 AND key = ANY ($2::bytea[])"

# Ids are given in the order of the arrays. A repeat of a snapshot (which has no inbox row) changes nothing.
_ENQUEUE = """
    INSERT INTO parked_events
        (event_id, topic, partition, "offset", key, type, headers, value, attempts, error, next_attempt_at)
    SELECT event_id, topic, partition, "offset", key, type, headers::json, value, $9::int, $10::text,
           now() + $11::interval
    FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::bytea[])
         WITH ORDINALITY AS given (event_id, topic, partition, "offset", key, type, headers, value, position)
    ORDER BY position
    ON CONFLICT (event_id) DO NOTHING
"""

_IS_NEXT = """
    NOT EXISTS (SELECT FROM parked_events AS earlier
                WHERE earlier.topic = parked_events.topic AND earlier.key = parked_events.key
                  AND earlier.id < parked_events.id
                  AND (earlier.type = ANY ($1::text[]) OR parked_events.type <> ALL ($1::text[])))
"""
QUEUE = Queue("parked_events", waiting="status = 'waiting'", id_type="bigint")
_DUE = f"SELECT id, topic FROM parked_events WHERE {QUEUE.ready} AND {_IS_NEXT} ORDER BY next_attempt_at LIMIT 20"  # noqa: S608 (no input)
# The lock is the right to try this event; it is held until its effects, and the row's deletion, are committed.
# So no other replica can reach the key's next event before.
_TAKE = f"""
    SELECT attempts, next_attempt_at, topic, partition, "offset", key, headers, value FROM parked_events
    WHERE id = $2 AND {QUEUE.ready} AND {_IS_NEXT}
    FOR UPDATE SKIP LOCKED
"""  # noqa: S608 (no input in it)
# Waits for a process that is handling one of them.
_SUPERSEDE = """
    DELETE FROM parked_events AS earlier USING parked_events AS last
    WHERE last.id = $1 AND earlier.topic = last.topic AND earlier.key = last.key AND earlier.id < last.id
    RETURNING earlier.id
"""
_DELETE_COPIES = """
    DELETE FROM outbox USING parked_events AS last
    WHERE last.id = $1 AND outbox.topic = last.topic || '.dlq' AND outbox.key = last.key AND published_at IS NOT NULL
"""
_DONE = "DELETE FROM parked_events WHERE id = $1"
_GIVE_UP = """
    UPDATE parked_events SET status = 'dead', attempts = attempts + 1, error = $3
    WHERE id = $1 AND status = 'waiting' AND next_attempt_at = $2 RETURNING id
"""
_LIST = """
    SELECT id, event_id, topic, partition, "offset", key, type, substring(value FOR $4), length(value), attempts, error,
           parked_at, next_attempt_at,
           (SELECT count(*) FROM parked_events AS later
            WHERE later.topic = parked.topic AND later.key = parked.key AND later.id > parked.id) AS behind
    FROM parked_events AS parked
    WHERE status = $1 AND id > $2
    ORDER BY id LIMIT $3
"""
_REPLAY = """
    UPDATE parked_events SET status = 'waiting', attempts = 0, next_attempt_at = now()
    WHERE id = $1 AND status = 'dead' RETURNING event_id, topic
"""
_DISCARD = "DELETE FROM parked_events WHERE id = $1 AND status = 'dead' RETURNING event_id, topic"
_COUNT = "SELECT count(*) FILTER (WHERE status = 'waiting'), count(*) FILTER (WHERE status = 'dead') FROM parked_events"


PREVIEW_BYTES = 4_000


@dataclass(frozen=True)
class DeadLetter:
    """A dead-lettered event, as staff see it."""

    id: int
    event_id: UUID
    topic: str
    partition: int
    offset: int
    key: str
    type: str
    value: str
    """The first SHOWN_BYTES of it: a page of the largest events would be a hundred MiB."""
    value_bytes: int
    attempts: int
    error: str | None
    queued_at: datetime
    next_attempt_at: datetime
    behind: int


async def waiting_keys(tx: AnySession, topic: str, keys: Collection[bytes]) -> set[bytes]:
    """Those of the keys that have events in the retry queue: later ones must queue behind."""
    return {row[0] for row in await fetch(tx, _WAITING_KEYS, topic, list(keys))}


async def enqueue(
    tx: AnySession, batch: Sequence[Incoming], *, failed: str | None = None, wait: timedelta = timedelta(0)
) -> None:
    """Appends the events to their keys' queues. `failed`: the error of the first attempt."""
    records = [incoming.record for incoming in batch]
    await fetch(
        tx,
        _ENQUEUE,
        [incoming.envelope.id for incoming in batch],
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        [record.key for record in records],
        [incoming.envelope.type for incoming in batch],
        [headers_to_json(record.headers) for record in records],
        [record.value for record in records],
        0 if failed is None else 1,
        failed,
        wait,
    )


async def due(tx: AnySession) -> list[tuple[int, str]]:
    """Some events that may be tried now: id and topic."""
    return [(row[0], row[1]) for row in await fetch(tx, _DUE, _TERMINAL_TYPES)]


@dataclass(frozen=True)
class Taken(Claimed):
    """An event that is locked for this attempt."""

    record: Record


async def lock(tx: AnySession, id: int) -> Taken | None:
    """None if another has it or it is not its turn (any more)."""
    rows = await fetch(tx, _TAKE, _TERMINAL_TYPES, id)
    if not rows:
        return None
    attempts, due_at, topic, partition, offset, key, headers, value = rows[0]
    return Taken(id, attempts, due_at, Record(topic, partition, offset, key, headers_from_json(headers), value))


async def supersede(tx: AnySession, id: int) -> int:
    """Deletes the events that this terminal event supersedes, and their published copies for the .dlq, before it takes
    effect, so that none of them can be handled after it. Returns their number."""
    gone = await fetch(tx, _SUPERSEDE, id)
    if gone:
        await fetch(tx, _DELETE_COPIES, id)
    return len(gone)


async def done(tx: AnySession, id: int) -> None:
    await fetch(tx, _DONE, id)


async def settle(tx: Transaction, outcome: Outcome[Taken]) -> bool:
    """Puts it back, or gives it up; neither where another replica has tried it since. Whether it is dead now."""
    if outcome.wait is not None:
        await QUEUE.release(tx, [outcome], outcome.row.held_until)
        return False
    return bool(await fetch(tx, _GIVE_UP, outcome.row.id, outcome.row.held_until, outcome.error))


async def dead_letters(tx: AnySession, *, after: int, limit: int) -> list[DeadLetter]:
    """In the order in which they were queued, after the id `after`."""
    return [DeadLetter(**_readable(row)) for row in await fetch(tx, _LIST, "dead", after, limit, PREVIEW_BYTES)]


async def replay(tx: AnySession, id: int) -> tuple[UUID, str] | None:
    """Resets the attempts of a dead event; its event id and topic. Events behind it follow when it succeeds."""
    return _id_and_topic(await fetch(tx, _REPLAY, id))


async def discard(tx: AnySession, id: int) -> tuple[UUID, str] | None:
    """Deletes a dead event (its copy stays in the .dlq), so that the events behind it continue."""
    return _id_and_topic(await fetch(tx, _DISCARD, id))


async def count(tx: AnySession) -> tuple[int, int]:
    """How many wait, and how many are dead."""
    rows = await fetch(tx, _COUNT)
    return rows[0][0], rows[0][1]


def _id_and_topic(rows: Sequence[Any]) -> tuple[UUID, str] | None:
    return (rows[0][0], rows[0][1]) if rows else None


def _readable(row: Any) -> dict[str, Any]:
    fields = dict(zip(DeadLetter.__dataclass_fields__, row, strict=True))
    return fields | {name: fields[name].decode(errors="replace") for name in ("key", "value")}
