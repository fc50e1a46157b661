"""Statements about notes and tags."""

from uuid import UUID

from sqlmodel import select

from order_service.annotations.models import OrderNote, OrderTags
from service_kit.database import Session, Statement
from service_kit.database.keyset import Position, Slice, keyset

_INSERT_TAGS = Statement("""
INSERT INTO order_tags (order_id, tags, version) VALUES (:order_id, :tags::text[], 1)
ON CONFLICT DO NOTHING RETURNING true
""")
ERASE_TAGS = Statement("""
DELETE FROM order_tags AS t USING orders AS o WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND t.order_id = o.id
""")
ERASE_NOTES = Statement("""
DELETE FROM order_notes AS n USING orders AS o WHERE o.customer_id = ANY(:customer_ids::uuid[]) AND n.order_id = o.id
""")


async def tags(tx: Session, order_id: UUID) -> OrderTags:
    """The order's tags; of version 0, if there never were any."""
    return await tx.get(OrderTags, order_id) or OrderTags(order_id=order_id, tags=[], version=0)


async def lock_tags(tx: Session, order_id: UUID) -> OrderTags | None:
    """The order's tags, locked until the transaction ends; None, if there never were any."""
    return (await tx.exec(select(OrderTags).where(OrderTags.order_id == order_id).with_for_update())).one_or_none()


async def insert_tags(tx: Session, order_id: UUID, tags: list[str]) -> bool:
    """Inserts the order's first tags; returns False if a concurrent transaction has done that first."""
    return bool(await _INSERT_TAGS.fetch(tx, order_id=order_id, tags=tags))


async def notes(tx: Session, position: Position, order_id: UUID) -> Slice[OrderNote]:
    statement = select(OrderNote).where(OrderNote.order_id == order_id)
    return await keyset(tx, statement, position, OrderNote.id)  # UUIDv7: by time
