"""Every statement about categories."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from product_service.categories.models import Category, Tree
from product_service.products.models import Product
from service_kit.database import Session, Statement
from service_kit.database.keyset import Position, Slice, keyset

LOCK_TREE = Statement("SELECT pg_advisory_xact_lock(0x74726565)")  # any number that no other lock of this database has


async def lock_tree(tx: Session) -> Tree:
    """The whole tree, held until the transaction ends: two moves at once could make a cycle that neither sees."""
    await LOCK_TREE.fetch(tx)
    rows = await tx.exec(select(Category.id, Category.parent_id))
    return Tree((id, parent_id) for id, parent_id in rows)


async def find(tx: Session, category_id: UUID) -> Category | None:
    return await tx.get(Category, category_id)


async def lock(tx: Session, category_id: UUID) -> Category | None:
    return await tx.get(Category, category_id, with_for_update=True, populate_existing=True)


async def slugs_taken(tx: Session, slugs: Sequence[str]) -> set[str]:
    return set(await tx.exec(select(Category.slug).where(col(Category.slug).in_(slugs))))


async def has_sibling_named(tx: Session, category: Category) -> bool:
    same = select(Category.id).where(
        Category.name == category.name,
        col(Category.parent_id).is_not_distinct_from(category.parent_id),
        Category.id != category.id,
    )
    with tx.no_autoflush:
        return (await tx.exec(same)).first() is not None


async def contents(tx: Session, category_id: UUID) -> tuple[int, int]:
    """How many categories and how many products stand right under it."""
    children = select(func.count()).select_from(Category).where(Category.parent_id == category_id)
    products = select(func.count()).select_from(Product).where(Product.category_id == category_id)
    return (await tx.exec(children)).one(), (await tx.exec(products)).one()


async def every(tx: Session) -> Sequence[Category]:
    """All of them by name; their number is limited."""
    return (await tx.exec(select(Category).order_by(Category.name, col(Category.id)))).all()


async def page(tx: Session, position: Position, *, parent_id: UUID | None, slug: str | None) -> Slice[Category]:
    statement = select(Category)
    if parent_id is not None:
        statement = statement.where(Category.parent_id == parent_id)
    if slug is not None:
        statement = statement.where(Category.slug == slug)
    return await keyset(tx, statement, position, Category.name, Category.id)
