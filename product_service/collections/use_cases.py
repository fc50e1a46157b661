"""Creates, changes and deletes collections."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from product_service.collections import queries
from product_service.collections.models import CollectedProductUnknown, Collection
from product_service.text import slugify
from service_kit import concurrency
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def create(tx: Session, columns: dict[str, Any]) -> Collection:
    collection = Collection(slug="", **columns)
    plain = slugify(collection.name)
    is_free = plain and not await queries.slug_is_taken(tx, plain)
    collection.slug = plain if is_free else slugify(collection.name, after=collection.id.hex[-12:])
    tx.add(collection)
    await tx.flush()
    return collection


async def change(tx: Session, collection_id: UUID, expected: Expected, columns: dict[str, Any]) -> Collection:
    """The slug stays, so that links keep working. Raises: NotFound, PreconditionFailed."""
    collection = await _lock(tx, collection_id, expected)
    if concurrency.change(collection, columns):
        collection.updated_at = utcnow()
    return collection


async def delete(tx: Session, collection_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed."""
    await tx.delete(await _lock(tx, collection_id, expected))


async def set_products(tx: Session, collection_id: UUID, expected: Expected, product_ids: Sequence[UUID]) -> Collection:
    """Raises: NotFound, PreconditionFailed, CollectedProductUnknown."""
    collection = await _lock(tx, collection_id, expected)
    if unknown := await queries.unknown(tx, product_ids):
        raise CollectedProductUnknown(product_ids=[str(id) for id in unknown])
    await queries.replace_products(tx, collection_id, product_ids)
    collection.sqlmodel_update({"version": collection.version + 1, "updated_at": utcnow()})
    return collection


async def _lock(tx: Session, collection_id: UUID, expected: Expected) -> Collection:
    collection = await queries.lock(tx, collection_id) or not_found(Collection, collection_id)
    expected.check(collection.version)
    return collection
