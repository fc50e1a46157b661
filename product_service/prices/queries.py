"""Every statement about scheduled prices; `products.queries` finds the one that applies."""

from datetime import datetime
from uuid import UUID

from product_service.products.prices import ScheduledPrice
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset, matching


async def find(tx: Session, product_id: UUID, price_id: UUID) -> ScheduledPrice | None:
    return (await tx.exec(matching(ScheduledPrice, id=price_id, product_id=product_id))).first()


async def page(
    tx: Session, product_id: UUID, position: Position, *, currency: str | None, after: datetime | None
) -> Slice[ScheduledPrice]:
    statement = matching(ScheduledPrice, product_id=product_id, currency=currency)
    if after is not None:
        statement = statement.where(ScheduledPrice.live(after))
    return await keyset(tx, statement, position, ScheduledPrice.starts_at, ScheduledPrice.id)
