"""Schedules and ends prices. They are part of the product, so each change creates a new version of the product."""

from datetime import datetime
from uuid import UUID

from product_service.prices import queries
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.prices import MAX_LIVE_PRICES, PriceExists, PriceScheduleFull
from product_service.products.prior_prices import PriorPriceRule
from product_service.products.queries import Kind
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def schedule(tx: Session, price: Kind, expected: Expected, rule: PriorPriceRule) -> Product:
    """Adds a price. It never starts in the past, since prices that customers have seen can't be changed.

    Raises: NotFound, PreconditionFailed, PriceEndsTooEarly, PriceExists, PriceScheduleFull.
    """
    product = await products.lock(tx, price.product_id, expected)
    now = utcnow()
    price.starts_at = max(price.starts_at or now, now)
    price.check_period()
    live = await product_queries.live_prices(tx, type(price), [product.id], now)
    if duplicate := next((each for each in live if each.key == price.key), None):
        raise PriceExists(price_id=str(duplicate.id))
    if len(live) >= MAX_LIVE_PRICES:
        raise PriceScheduleFull(limit=MAX_LIVE_PRICES)
    tx.add(price)
    await products.set_prior(tx, [product], rule, now)
    await products.publish(tx, product)
    return product


async def end(
    tx: Session,
    kind: type[Kind],
    product_id: UUID,
    price_id: UUID,
    expected: Expected,
    at: datetime | None,
    rule: PriorPriceRule,
) -> tuple[Kind, Product]:
    """Raises: NotFound, PreconditionFailed, PriceEnded."""
    product = await products.lock(tx, product_id, expected)
    price = await queries.find(tx, kind, product_id, price_id) or not_found("price", price_id)
    price.end(at, now := utcnow())
    await products.set_prior(tx, [product], rule, now)
    await products.publish(tx, product)
    return price, product
