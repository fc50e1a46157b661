"""Every statement about scheduled prices; `products.queries` finds the one that applies."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, func, select

from product_service.products.models import Product
from product_service.products.prices import BasePrice
from product_service.products.queries import Kind
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset, matching


async def find(tx: Session, kind: type[Kind], product_id: UUID, price_id: UUID) -> Kind | None:
    return (await tx.exec(matching(kind, id=price_id, product_id=product_id))).first()


async def page(
    tx: Session, kind: type[Kind], product_id: UUID, position: Position, *, after: datetime | None, **values: object
) -> Slice[Kind]:
    """The prices whose columns have these `values`; `after`: without those that ended before."""
    statement = matching(kind, product_id=product_id, **values)
    if after is not None:
        statement = statement.where(kind.live(after))
    return await keyset(tx, statement, position, kind.starts_at, kind.id)


async def history(tx: Session, product_id: UUID, position: Position, *, since_on_sale: bool) -> Slice[BasePrice]:
    """The base prices of a product; `since_on_sale`: without those from before it was on sale."""
    statement = matching(BasePrice, product_id=product_id)
    if since_on_sale:
        begin = select(func.coalesce(Product.activated_at, Product.created_at)).where(Product.id == product_id)
        first = select(func.max(BasePrice.effective_from)).where(
            BasePrice.product_id == product_id, BasePrice.effective_from <= begin.scalar_subquery()
        )
        known = func.coalesce(first.scalar_subquery(), begin.scalar_subquery())
        statement = statement.where(col(BasePrice.effective_from) >= known)
    return await keyset(tx, statement, position, BasePrice.effective_from, BasePrice.id)


async def since(tx: Session, kind: type[Kind], product_id: UUID, begin: datetime) -> Sequence[Kind]:
    """The prices of the product, without those that had ended at `begin`."""
    ends_at = col(kind.ends_at)
    return (await tx.exec(matching(kind, product_id=product_id).where(or_(ends_at.is_(None), ends_at > begin)))).all()


async def base_price_at(tx: Session, product_id: UUID, at: datetime) -> BasePrice | None:
    known = matching(BasePrice, product_id=product_id).where(col(BasePrice.effective_from) <= at)
    return (await tx.exec(known.order_by(col(BasePrice.effective_from).desc()).limit(1))).first()
