"""Every statement about images."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, select

from product_service.media.models import FamilyMedia, Media, MediaState, ProductMedia
from service_kit.database import AnySession, Connection, Session, Statement, Transaction, columns, insert
from service_kit.database.keyset import Position, Slice, keyset, matching
from service_kit.queue import Claimed, Outcome, Queue

TO_RENDER = Queue("media", waiting="state = 'pending'")
TO_DELETE = Queue("media", waiting="state = 'deleting'", has_error=False)

_UNUSED = """
NOT EXISTS (SELECT FROM product_media WHERE media_id = media.id)
AND NOT EXISTS (SELECT FROM family_media WHERE media_id = media.id)
"""
# A file that was uploaded before is used again. If making its sizes has failed, it is stored again, since what was
# stored may be the reason.
REUSE = Statement(f"""
UPDATE media SET touched_at = now() WHERE sha256 = :sha256 AND state IN ('pending', 'ready')
RETURNING {columns(Media)}
""")
# Of concurrent uploads of one file, all get the same row.
BEGIN = Statement(f"""
{insert("new", Media)}
ON CONFLICT (sha256) WHERE state <> 'deleting' DO UPDATE SET touched_at = now()
RETURNING {columns(Media)}
""")
STORED = Statement(f"""
UPDATE media SET state = 'pending', attempts = 0, error = NULL, next_attempt_at = now(), touched_at = now()
WHERE id = :id AND state IN ('storing', 'failed')
RETURNING {columns(Media)}
""")
# In the order of their ids, so that two of these statements never wait for each other.
TOUCH = Statement(f"""
UPDATE media SET touched_at = now()
FROM (SELECT id FROM media WHERE id = ANY (:ids::uuid[]) ORDER BY id FOR NO KEY UPDATE) AS locked
WHERE media.id = locked.id AND media.state NOT IN ('storing', 'deleting')
RETURNING {columns(Media)}
""")
# The condition on `touched_at` is checked again after a wait for another transaction: `Media.touched_at` says why.
SWEEP = Statement(f"""
UPDATE media SET state = 'deleting', attempts = 0, next_attempt_at = now(), deleted_at = now()
WHERE id IN (
    SELECT id FROM media
    WHERE state <> 'deleting' AND touched_at < now() - :grace::interval AND {_UNUSED}
    ORDER BY touched_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")
SERVED = Statement("SELECT id, format, state FROM media WHERE sha256 = :sha256 AND state <> 'deleting'")
UNKNOWN = Statement("""
SELECT id FROM unnest(:ids::uuid[]) AS listed (id) WHERE NOT EXISTS (SELECT FROM media WHERE media.id = listed.id)
""")
OWNERS = Statement("""
(SELECT 'product_ids', product_id FROM product_media WHERE media_id = :id LIMIT 20)
UNION ALL (SELECT 'family_ids', family_id FROM family_media WHERE media_id = :id LIMIT 20)
""")
# After our lease, another process may have claimed the row: then only success is stored.
RENDERED = Statement("""
UPDATE media SET state = :outcome.name::text, error = :outcome.error::text,
    attempts = attempts + (:outcome.name::text = 'failed')::int
WHERE id = :outcome.row.id::uuid AND state = 'pending'
  AND (:outcome.name::text = 'ready' OR next_attempt_at = :held_until)
""")
DELETED = Statement("DELETE FROM media WHERE id = ANY (:ids::uuid[]) AND state = 'deleting'")

Link = ProductMedia | FamilyMedia
_IDS = {
    kind: Statement(f"SELECT media_id FROM {kind.__tablename__} WHERE {kind.OWNER} = :owner")
    for kind in (ProductMedia, FamilyMedia)
}
_REMOVE = {
    kind: Statement(f"DELETE FROM {kind.__tablename__} WHERE {kind.OWNER} = :owner")
    for kind in (ProductMedia, FamilyMedia)
}


@dataclass(frozen=True)
class ToRender(Claimed):
    """What the job needs of an image."""

    format: str
    width: int
    height: int


class Served(NamedTuple):
    """What a response with an image needs of its row."""

    id: UUID
    format: str
    state: str


_CLAIM_TO_RENDER = TO_RENDER.claim(
    "SELECT id, attempts, next_attempt_at AS held_until, format, width, height FROM claimed"
)
_CLAIM_TO_DELETE = TO_DELETE.claim("SELECT id, attempts, next_attempt_at AS held_until FROM claimed")


async def reuse(tx: Transaction, sha256: str) -> Media | None:
    return await REUSE.fetchrow_as(tx, Media, sha256=sha256)


async def begin(tx: Transaction, media: Media) -> Media:
    """Inserts the image, or returns the one with the same file."""
    return await BEGIN.fetchrow_as(tx, Media, new=[media]) or media


async def stored(tx: Transaction, media_id: UUID) -> Media | None:
    """None: another upload has changed its state, or it was swept."""
    return await STORED.fetchrow_as(tx, Media, id=media_id)


async def touch(tx: Session, ids: Collection[UUID]) -> dict[UUID, Media]:
    """Locks these images until the transaction ends, so that none of them is deleted meanwhile. Those that are being
    stored or deleted are not returned."""
    found = await TOUCH.fetch_as(tx, Media, ids=list(ids))
    return {each.id: each for each in found}


async def media_ids(tx: Session, kind: type[Link], owner: UUID) -> set[UUID]:
    return {id for (id,) in await _IDS[kind].fetch(tx, owner=owner)}


async def replace(tx: Session, kind: type[Link], owner: UUID, links: Sequence[Link]) -> None:
    await _REMOVE[kind].execute(tx, owner=owner)
    tx.add_all(links)
    await tx.flush()


async def served(db: AnySession, sha256: str) -> Served | None:
    return await SERVED.fetchrow_as(db, Served, sha256=sha256)


async def lock(tx: Session, media_id: UUID) -> Media | None:
    """An image that is being deleted counts as none."""
    statement = select(Media).where(Media.id == media_id, Media.state != MediaState.DELETING)
    return (await tx.exec(statement.with_for_update(key_share=True))).first()


async def read(tx: Session, media_id: UUID) -> Media | None:
    return (await tx.exec(select(Media).where(Media.id == media_id, Media.state != MediaState.DELETING))).first()


async def owners(tx: Session, media_id: UUID) -> dict[str, list[str]]:
    """Some of the products and families that show the image."""
    found: dict[str, list[str]] = {"product_ids": [], "family_ids": []}
    for kind, id in await OWNERS.fetch(tx, id=media_id):
        found[kind].append(str(id))
    return found


async def page(tx: Session, position: Position, *, state: MediaState | None) -> Slice[Media]:
    return await keyset(tx, matching(Media, state=state), position, col(Media.id))


async def claim_to_render(connection: Connection, limit: int, lease: timedelta) -> list[ToRender]:
    """Few at a time, so that other processes get some of a large upload."""
    return await _CLAIM_TO_RENDER.fetch_as(connection, ToRender, limit=min(limit, 8), lease=lease)


async def finish_rendering(connection: Connection, outcomes: Sequence[Outcome[ToRender]], held_until: datetime) -> None:
    for outcome in outcomes:  # one row per statement, which so never waits for `touch` while that waits for it
        await RENDERED.execute(connection, outcome=outcome, held_until=held_until)


async def claim_to_delete(connection: Connection, limit: int, lease: timedelta) -> list[Claimed]:
    return await _CLAIM_TO_DELETE.fetch_as(connection, Claimed, limit=limit, lease=lease)


async def finish_deleting(connection: Connection, outcomes: Sequence[Outcome[Claimed]], _: datetime) -> None:
    await DELETED.execute(connection, ids=[outcome.row.id for outcome in outcomes])


async def sweep(tx: Connection, grace: timedelta, limit: int) -> int:
    """Marks images that nothing shows, and that were not touched for `grace`, for deletion."""
    return await SWEEP.execute(tx, grace=grace, limit=limit)


async def without_row(db: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Those of the ids that no image has."""
    return {id for (id,) in await UNKNOWN.fetch(db, ids=list(ids))}
