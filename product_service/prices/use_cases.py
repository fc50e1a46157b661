"""Schedules and ends prices. They are part of the product, so each change creates a new version of the product."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from product_service.prices import queries
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.prices import MAX_LIVE_PRICES, PriceExists, PriceScheduleFull, ScheduledPrice
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def schedule(
    tx: Session, product_id: UUID, expected: Expected, fields: dict[str, Any]
) -> tuple[ScheduledPrice, Product]:
    """Adds a price. It never starts in the past, since prices that customers have seen can't be changed.

    Raises: NotFound, PreconditionFailed, PriceEndsTooEarly, PriceExists, PriceScheduleFull.
    """
    product = await products.lock(tx, product_id, expected)
    now = utcnow()
    price = add(tx, product, fields, await product_queries.scheduled_prices(tx, product_id, now), now)
    await products.publish(tx, product)
    return price, product


def add(
    tx: Session, product: Product, fields: dict[str, Any], live: Sequence[ScheduledPrice], now: datetime
) -> ScheduledPrice:
    """Adds a price to a locked product, which the caller then publishes. `live`: its prices that count or will.

    Raises: PriceEndsTooEarly, PriceExists, PriceScheduleFull.
    """
    price = ScheduledPrice(product_id=product.id, **fields)
    price.starts_at = max(price.starts_at or now, now)
    price.check_period()
    if duplicate := next(filter(price.collides_with, live), None):
        raise PriceExists(price_id=str(duplicate.id))
    if len(live) >= MAX_LIVE_PRICES:
        raise PriceScheduleFull(limit=MAX_LIVE_PRICES)
    tx.add(price)
    return price


async def end(
    tx: Session, product_id: UUID, price_id: UUID, expected: Expected, at: datetime | None
) -> tuple[ScheduledPrice, Product]:
    """Raises: NotFound, PreconditionFailed, PriceEnded."""
    product = await products.lock(tx, product_id, expected)
    price = await queries.find(tx, product_id, price_id) or not_found("price", price_id)
    price.end(at, utcnow())
    await products.publish(tx, product)
    return price, product
