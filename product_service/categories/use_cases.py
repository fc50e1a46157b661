"""Creates, changes and deletes categories. Since these operations are rare, each of them locks the whole tree."""

from typing import Any
from uuid import UUID

from product_service.categories import queries
from product_service.categories.models import Category, CategoryExists, CategoryNotEmpty
from product_service.products import queries as products
from product_service.text import slugify
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def create(tx: Session, name: str, parent_id: UUID | None) -> Category:
    """Raises: CategoryExists, and what `Tree.check_addition` raises."""
    tree = await queries.lock_tree(tx)
    tree.check_addition(parent_id)
    category = Category(name=name, parent_id=parent_id, slug="")
    await _check_name(tx, category)
    category.slug = await _free_slug(tx, category)
    tx.add(category)
    await tx.flush()
    return category


async def change(tx: Session, category_id: UUID, expected: Expected, changes: dict[str, Any]) -> Category:
    """Renames or moves a category. The slug stays, so that links keep working. If it moves, a job publishes the
    products in it and below it again, since their path has changed.

    Raises: NotFound, PreconditionFailed, CategoryExists, and what `Tree.check_move` raises.
    """
    tree = await queries.lock_tree(tx)
    category = await queries.lock(tx, category_id) or not_found(Category, category_id)
    expected.check(category.version)
    if not any(getattr(category, name) != value for name, value in changes.items()):
        return category
    moves = changes.get("parent_id", category.parent_id) != category.parent_id
    if moves:
        tree.check_move(category_id, changes["parent_id"])
    category.sqlmodel_update(changes)
    await _check_name(tx, category)
    category.version += 1
    await tx.flush()
    if moves:
        await products.request_republication(tx, category_id)
    return category


async def delete(tx: Session, category_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, CategoryNotEmpty."""
    await queries.lock_tree(tx)
    category = await queries.lock(tx, category_id) or not_found(Category, category_id)
    expected.check(category.version)
    children, products, families = await queries.contents(tx, category_id)
    if children or products or families:
        raise CategoryNotEmpty(children=children, products=products, families=families)
    await tx.delete(category)


async def _check_name(tx: Session, category: Category) -> None:
    if await queries.has_sibling_named(tx, category):
        raise CategoryExists(name=category.name)


async def _free_slug(tx: Session, category: Category) -> str:
    """A slug of the name. If it is taken: with the parent's slug before it, or with the end of the id after it."""
    parent = await queries.find(tx, category.parent_id) if category.parent_id else None
    plain = slugify(category.name)
    choices = [
        plain,
        slugify(category.name, before=parent.slug) if parent else plain,
        slugify(category.name, after=category.id.hex[-12:]),
    ]
    taken = await queries.slugs_taken(tx, choices)
    return next(slug for slug in choices if slug and slug not in taken)
