"""Every statement about scheduled prices; which of them counts is decided in `products.queries`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import col, select

from product_service.products.prices import ScheduledPrice
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset


async def find(tx: Session, product_id: UUID, price_id: UUID) -> ScheduledPrice | None:
    statement = select(ScheduledPrice).where(ScheduledPrice.id == price_id, ScheduledPrice.product_id == product_id)
    return (await tx.exec(statement)).first()


async def page(
    tx: Session, product_id: UUID, position: Position, *, currency: str | None, after: datetime | None
) -> Slice[ScheduledPrice]:
    statement = select(ScheduledPrice).where(ScheduledPrice.product_id == product_id)
    if currency is not None:
        statement = statement.where(ScheduledPrice.currency == currency)
    if after is not None:
        ends_at = col(ScheduledPrice.ends_at)
        statement = statement.where(or_(ends_at.is_(None), and_(ends_at > after, ends_at > ScheduledPrice.starts_at)))
    return await keyset(tx, statement, position, ScheduledPrice.starts_at, ScheduledPrice.id)
