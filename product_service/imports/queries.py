"""Every statement about imports."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, delete, select

from product_service.categories.models import Category
from product_service.imports.models import ENDED, Import, ImportChunk, ImportFailure
from product_service.products.families import Family
from product_service.products.prices import ScheduledPrice
from product_service.products.translations import Entity, Translation
from service_kit.audit.actor import SETTING
from service_kit.clock import utcnow
from service_kit.database import Session, Statement, insert
from service_kit.database.keyset import Position, Slice, keyset, matching

# Only the oldest of a kind is worked on. `state` is a condition of the outer query too: PostgreSQL checks it again when
# it has locked the row, which another process may have ended in between.
LOCK_NEXT = Statement("""
SELECT id FROM imports
WHERE id = (
    SELECT id FROM imports WHERE kind = :kind AND state IN ('queued', 'running') ORDER BY id LIMIT 1
) AND state IN ('queued', 'running')
FOR UPDATE SKIP LOCKED
""")
SET_ACTOR = Statement(f"SELECT set_config('{SETTING}', :actor, true)")
ADD_FAILURES = Statement(insert("failures", ImportFailure))
DELETE_ABANDONED = Statement("""
DELETE FROM imports WHERE state = 'receiving' AND updated_at < :before OR updated_at < :old AND state = ANY(:ended)
""")


class Chunks(NamedTuple):
    """Consecutive parts of a file, and whether it ends with them."""

    content: bytes
    is_last: bool


async def lock_next(tx: Session, kind: str) -> Import | None:
    """The oldest import of this kind that has not ended, unless another process works on it. Its changes are recorded
    as those of who has sent it."""
    id = await LOCK_NEXT.fetchval(tx, kind=kind)
    found = await tx.get(Import, id, populate_existing=True) if id else None
    if found is not None and found.actor is not None:
        await SET_ACTOR.fetch(tx, actor=found.actor)
    return found


async def lock(tx: Session, import_id: UUID) -> Import | None:
    return await tx.get(Import, import_id, with_for_update=True, populate_existing=True)


async def find(tx: Session, import_id: UUID) -> Import | None:
    return await tx.get(Import, import_id)


async def page(tx: Session, position: Position, *, kind: str | None, state: str | None) -> Slice[Import]:
    return await keyset(tx, matching(Import, kind=kind, state=state), position, Import.created_at, Import.id)


async def chunk(tx: Session, import_id: UUID, number: int) -> bytes | None:
    found = await tx.exec(
        select(ImportChunk.content).where(ImportChunk.import_id == import_id, ImportChunk.number == number)
    )
    return found.first()


async def delete_chunks(tx: Session, import_id: UUID) -> None:
    await tx.exec(delete(ImportChunk).where(col(ImportChunk.import_id) == import_id))


async def delete_import(tx: Session, import_id: UUID) -> None:
    await tx.exec(delete(Import).where(col(Import.id) == import_id))


async def delete_old(tx: Session, unfinished: timedelta, kept: timedelta) -> None:
    """Deletes imports whose file never arrived as a whole, and those that ended long ago."""
    now = utcnow()
    await DELETE_ABANDONED.execute(tx, before=now - unfinished, old=now - kept, ended=sorted(ENDED))


async def failures(tx: Session, import_id: UUID, after: int, limit: int) -> Sequence[ImportFailure]:
    """Failed rows in the sequence of the file."""
    rows = select(ImportFailure).where(ImportFailure.import_id == import_id, ImportFailure.row_number > after)
    return (await tx.exec(rows.order_by(col(ImportFailure.row_number)).limit(limit))).all()


async def categories(tx: Session) -> Sequence[Category]:
    """All of them: there are at most `MAX_CATEGORIES`."""
    return (await tx.exec(select(Category))).all()


async def families(tx: Session, slugs: Sequence[str]) -> dict[str, UUID]:
    found = await tx.exec(select(Family.slug, Family.id).where(col(Family.slug).in_(slugs)))
    return dict(list(found))


async def translations(tx: Session, product_ids: Sequence[UUID]) -> dict[tuple[UUID, str], Translation]:
    """By product and language."""
    wanted = select(Translation).where(
        Translation.entity == Entity.PRODUCT, col(Translation.entity_id).in_(product_ids)
    )
    return {(each.entity_id, each.locale): each for each in await tx.exec(wanted)}


async def prices(tx: Session, product_ids: Sequence[UUID]) -> list[ScheduledPrice]:
    """All prices of these products, whether they have ended or not."""
    wanted = select(ScheduledPrice).where(col(ScheduledPrice.product_id).in_(product_ids))
    return list(await tx.exec(wanted))
