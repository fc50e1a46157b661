"""The inbox: the process that inserts an event's id handles it in the same transaction, so it takes effect once."""

from collections.abc import Collection, Sequence
from uuid import UUID

from service_kit.database.sessions import AnySession
from service_kit.database.statements import Statement

# Without a SELECT before: another replica could handle the event between it and the insert. The insert waits for an
# uncommitted claim of the same id, and returns only the ids that it inserted.
_CLAIM = """
    INSERT INTO inbox (event_id, topic) SELECT id, :topic FROM unnest(:ids::uuid[]) AS id
    ON CONFLICT DO NOTHING RETURNING event_id
"""
_CLAIM_AND_FIND_WAITING = Statement(f"""
    WITH claimed AS ({_CLAIM})
    SELECT event_id, NULL::bytea FROM claimed
    UNION ALL
    SELECT DISTINCT NULL::uuid, key FROM parked_events WHERE topic = :topic AND key = ANY (:keys::bytea[])
""")  # noqa: S608 (no input in it)


async def claim(tx: AnySession, topic: str, ids: Sequence[UUID]) -> set[UUID]:
    """Claims ids, and returns those that were not claimed before. Inserts in ascending order, to avoid deadlocks."""
    wanted = set(ids)
    return _claimed(wanted, [row[0] for row in await Statement(_CLAIM).fetch(tx, ids=sorted(wanted), topic=topic)])


async def claim_and_find_waiting(
    tx: AnySession, topic: str, ids: Sequence[UUID], keys: Collection[bytes]
) -> tuple[set[UUID], set[bytes]]:
    """Claims ids, and in the same round trip finds the keys that have events in the retry queue.

    The keys are as of the statement's snapshot: the replica that has claimed an id may have queued its key since then.
    """
    wanted = set(ids)
    rows = await _CLAIM_AND_FIND_WAITING.fetch(tx, ids=sorted(wanted), topic=topic, keys=list(keys))
    waiting = {row[1] for row in rows if row[1] is not None}
    return _claimed(wanted, [row[0] for row in rows if row[0] is not None]), waiting


def _claimed(wanted: set[UUID], claimed: Sequence[UUID]) -> set[UUID]:
    return wanted if len(claimed) == len(wanted) else set(claimed)
