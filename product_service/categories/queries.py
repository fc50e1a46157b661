"""Every statement about categories."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from product_service.categories.models import Category, Tree
from product_service.products.queries import LOCK_TREE
from service_kit.database import Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching

CONTENTS = Statement("""
SELECT (SELECT count(*) FROM categories WHERE parent_id = :category_id),
       (SELECT count(*) FROM products WHERE category_id = :category_id),
       (SELECT count(*) FROM families WHERE category_id = :category_id)
""")


async def lock_tree(tx: Session) -> Tree:
    """Locks the whole tree until the transaction ends: two concurrent moves could create a cycle that neither sees, and
    products that are published meanwhile name the categories above them."""
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


async def contents(tx: Session, category_id: UUID) -> tuple[int, int, int]:
    """How many categories, products and families the category directly contains."""
    children, products, families = await CONTENTS.fetchrow(tx, category_id=category_id)
    return children, products, families


async def every(tx: Session) -> Sequence[Category]:
    """All categories by name, without pages: there are at most `MAX_CATEGORIES`."""
    return (await tx.exec(select(Category).order_by(Category.name, col(Category.id)))).all()


async def page(tx: Session, position: Position, *, parent_id: UUID | None, slug: str | None) -> Slice[Category]:
    statement = matching(Category, parent_id=parent_id, slug=slug)
    return await keyset(tx, statement, position, Category.name, Category.id)
