"""Each event takes effect once: who inserts its id does the work, in the same transaction."""

from collections.abc import Sequence
from uuid import UUID

from service_kit.database.doors import fetch
from service_kit.messaging.door import Door

# Never look first: between the look and the insert another replica may do the work. The insert waits for an unfinished
# claim of the same id and returns only what is ours.
_CLAIM = """
    INSERT INTO inbox (event_id, topic) SELECT id, $2 FROM unnest($1::uuid[]) AS id
    ON CONFLICT DO NOTHING RETURNING event_id
"""


async def claim(tx: Door, topic: str, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that had not been claimed. Ascending, so that two replicas can't wait for each other."""
    rows = await fetch(tx, _CLAIM, sorted(set(ids)), topic)
    return {UUID(int=row[0].int) for row in rows}
