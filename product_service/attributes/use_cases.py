"""Creates, changes and deletes attributes of the registry."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from product_service.attributes import queries
from product_service.attributes.models import MAX_ATTRIBUTES, Attribute, AttributeExists, TooManyAttributes
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.concurrency import change as change_row
from service_kit.database import Session
from service_kit.problems import not_found


async def create(tx: Session, columns: Mapping[str, Any]) -> Attribute:
    """Raises: TooManyAttributes, AttributeExists."""
    if await queries.count(tx) >= MAX_ATTRIBUTES:
        raise TooManyAttributes(limit=MAX_ATTRIBUTES)
    attribute = Attribute(**columns)
    if await queries.has_name(tx, attribute.name):
        raise AttributeExists(name=attribute.name)
    tx.add(attribute)
    await tx.flush()
    return attribute


async def change(tx: Session, attribute_id: UUID, expected: Expected, columns: Mapping[str, Any]) -> Attribute:
    """Raises: NotFound, PreconditionFailed."""
    attribute = await queries.lock(tx, attribute_id) or not_found(Attribute, attribute_id)
    expected.check(attribute.version)
    if change_row(attribute, columns):
        attribute.updated_at = utcnow()
        await tx.flush()
    return attribute


async def delete(tx: Session, attribute_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed."""
    attribute = await queries.lock(tx, attribute_id) or not_found(Attribute, attribute_id)
    expected.check(attribute.version)
    await tx.delete(attribute)
