"""Every statement about collections."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, select

from product_service.collections.models import CollectedProduct, Collection
from product_service.products.queries import BODY, JOINS, PriceQuery
from service_kit.database import Session, Statement
from service_kit.database.keyset import Position, Slice, keyset

UNKNOWN = Statement("""
SELECT wanted.id FROM unnest(:ids::uuid[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM products p WHERE p.id = wanted.id)
""")
PRODUCTS = Statement(f"""
SELECT c.position, {BODY} AS body
FROM collection_products c JOIN products p ON p.id = c.product_id {JOINS}
WHERE c.collection_id = :id AND c.position > :after AND (p.status = 'active' OR :query.hidden_too::boolean)
ORDER BY c.position LIMIT :limit
""")


async def find(tx: Session, collection_id: UUID) -> Collection | None:
    return await tx.get(Collection, collection_id)


async def find_by_slug(tx: Session, slug: str) -> Collection | None:
    return (await tx.exec(select(Collection).where(Collection.slug == slug))).first()


async def lock(tx: Session, collection_id: UUID) -> Collection | None:
    return await tx.get(Collection, collection_id, with_for_update=True, populate_existing=True)


async def slug_is_taken(tx: Session, slug: str) -> bool:
    return (await tx.exec(select(Collection.id).where(Collection.slug == slug))).first() is not None


async def page(tx: Session, position: Position, *, hidden_too: bool) -> Slice[Collection]:
    statement = select(Collection) if hidden_too else select(Collection).where(col(Collection.published))
    return await keyset(tx, statement, position, Collection.id)


async def products(tx: Session, collection_id: UUID, position: Position, query: PriceQuery) -> Slice[Any]:
    """Rows with `body`, a product as JSON, in the sequence of the collection."""
    after = position.values(int)
    rows = await PRODUCTS.fetch(
        tx, id=collection_id, after=after[0] if after else -1, limit=position.limit + 1, query=query
    )
    return position.slice(rows, lambda row: [row.position])


async def unknown(tx: Session, product_ids: Sequence[UUID]) -> list[UUID]:
    return [row[0] for row in await UNKNOWN.fetch(tx, ids=product_ids)]


async def replace_products(tx: Session, collection_id: UUID, product_ids: Sequence[UUID]) -> None:
    await tx.exec(delete(CollectedProduct).where(col(CollectedProduct.collection_id) == collection_id))
    tx.add_all(
        CollectedProduct(collection_id=collection_id, product_id=id, position=position)
        for position, id in enumerate(product_ids)
    )
