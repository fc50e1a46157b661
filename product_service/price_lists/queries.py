"""Every statement about price lists."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from product_service.price_lists.models import ListState, PriceList, PriceListEntry
from product_service.products.prices import GroupPrice, ScheduledPrice
from service_kit.database import Session, Statement, insert
from service_kit.database.keyset import Position, Slice, keyset, matching

# One process at a time writes and ends the prices of lists. The number is arbitrary.
CLAIM = Statement("SELECT pg_try_advisory_xact_lock(0x70726c69)")
COUNT_PRODUCTS = Statement("SELECT count(DISTINCT product_id) FROM price_list_entries WHERE list_id = :list_id")
NEXT_TO_ADD = Statement("""
SELECT DISTINCT product_id FROM price_list_entries WHERE list_id = :list.id AND product_id > :list.after_id
ORDER BY product_id LIMIT :limit
""")
NEXT_TO_END = {
    kind: Statement(f"""
    SELECT DISTINCT product_id FROM {kind.__tablename__}
    WHERE list_id = :list.id AND product_id > :list.after_id
      AND (ends_at IS NULL OR ends_at > greatest(:now, starts_at))
    ORDER BY product_id LIMIT :limit
    """)
    for kind in (ScheduledPrice, GroupPrice)
}
# The conditions keep what was read before the products were locked: if the list was ended meanwhile, no row is found.
ADVANCE = Statement("""
UPDATE price_lists
SET after_id = :last, done = done + :done, skipped = skipped + :skipped, updated_at = :now,
    state = coalesce(:next_state::text, state),
    version = version + CASE WHEN :next_state::text IS NULL THEN 0 ELSE 1 END
WHERE id = :list.id AND state = :list.state AND after_id = :list.after_id
""")
END_PASSED = Statement("""
UPDATE price_lists SET state = 'ended', version = version + 1, updated_at = :now
WHERE state = 'active' AND ends_at <= :now
""")
PUT_ENTRIES = Statement(f"""
{insert("entries", PriceListEntry)}
ON CONFLICT (list_id, product_id, min_quantity) DO UPDATE SET amount = excluded.amount
WHERE price_list_entries.amount <> excluded.amount
""")
DELETE_ENTRIES = Statement("""
DELETE FROM price_list_entries e USING unnest(:entries[].product_id::uuid[], :entries[].min_quantity::int[])
    AS gone (product_id, min_quantity)
WHERE e.list_id = :list_id AND (e.product_id, e.min_quantity) = (gone.product_id, gone.min_quantity)
""")
KNOWN_PRODUCTS = Statement("SELECT id FROM products WHERE id = ANY (:ids::uuid[])")


async def find(tx: Session, list_id: UUID) -> PriceList | None:
    return await tx.get(PriceList, list_id)


async def lock(tx: Session, list_id: UUID) -> PriceList | None:
    return await tx.get(PriceList, list_id, with_for_update=True, populate_existing=True)


async def page(tx: Session, position: Position, *, state: str | None) -> Slice[PriceList]:
    return await keyset(tx, matching(PriceList, state=state), position, PriceList.id)


async def entries(tx: Session, list_id: UUID, position: Position) -> Slice[PriceListEntry]:
    by = PriceListEntry.product_id, PriceListEntry.min_quantity
    return await keyset(tx, matching(PriceListEntry, list_id=list_id), position, *by)


async def next_in_progress(tx: Session) -> PriceList | None:
    """A list whose prices are being written or ended, without a lock: its end must not wait for a batch."""
    states = ListState.ACTIVATING, ListState.ENDING
    found = select(PriceList).where(col(PriceList.state).in_(states)).order_by(col(PriceList.updated_at)).limit(1)
    return (await tx.exec(found)).first()


async def entries_of(tx: Session, list_id: UUID, ids: Collection[UUID]) -> Sequence[PriceListEntry]:
    found = matching(PriceListEntry, list_id=list_id).where(col(PriceListEntry.product_id).in_(ids))
    return (await tx.exec(found)).all()


async def prices_to_end(
    tx: Session, price_list: PriceList, ids: Collection[UUID], now: datetime
) -> Sequence[ScheduledPrice | GroupPrice]:
    kind = price_list.kind
    found = matching(kind, list_id=price_list.id).where(col(kind.product_id).in_(ids), kind.live(now))
    return (await tx.exec(found)).all()


async def unknown_products(tx: Session, ids: Collection[UUID]) -> set[UUID]:
    return set(ids) - {id for (id,) in await KNOWN_PRODUCTS.fetch(tx, ids=list(ids))}
