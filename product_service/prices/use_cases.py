"""Schedules and ends prices. They are part of the product, so each change creates a new version of the product."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from product_service.prices import queries
from product_service.prices.explain import Candidate, Verdict
from product_service.prices.explain import explain as explained
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.prices import (
    MAX_LIVE_PRICES,
    GroupPrice,
    PriceExists,
    PriceScheduleFull,
    ScheduledPrice,
)
from product_service.products.prior_prices import PriorPriceRule
from product_service.products.queries import Kind
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found

EXPLAINED = timedelta(days=30)
"""Prices that ended so long before a moment are left out of its explanation: a rule can have written thousands."""


async def schedule(tx: Session, price: Kind, expected: Expected, rule: PriorPriceRule) -> Product:
    """Adds a price. It never starts in the past, since prices that customers have seen can't be changed.

    Raises: NotFound, PreconditionFailed, PriceEndsTooEarly, PriceExists, PriceScheduleFull.
    """
    product = await products.lock(tx, price.product_id, expected)
    now = utcnow()
    add(tx, price, await product_queries.live_prices(tx, type(price), [product.id], now), now)
    await products.set_prior(tx, [product], rule, now)
    await products.publish(tx, product)
    return product


def add(tx: Session, price: Kind, live: Sequence[Kind], now: datetime) -> None:
    """Adds a price to a locked product, whose prior prices the caller then sets, and which it publishes. `live`: the
    product's prices of this kind that count or will.

    Raises: PriceEndsTooEarly, PriceExists, PriceScheduleFull.
    """
    price.starts_at = max(price.starts_at or now, now)
    price.check_period()
    if duplicate := next((each for each in live if each.key == price.key), None):
        raise PriceExists(price_id=str(duplicate.id))
    if len(live) >= MAX_LIVE_PRICES:
        raise PriceScheduleFull(limit=MAX_LIVE_PRICES)
    tx.add(price)


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


async def explain(
    tx: Session, product_id: UUID, quantity: int, currency: str | None, at: datetime, group: UUID | None
) -> tuple[str, list[tuple[Candidate, Verdict]]]:
    """The currency, by default that of the base price at that time, and what became of each price. Raises: NotFound."""
    product = await tx.get(Product, product_id) or not_found(Product, product_id)
    base = await queries.base_price_at(tx, product_id, at)
    candidates = [] if base is None else [Candidate.of_base(base, product.created_at)]
    since = at - EXPLAINED
    candidates += map(Candidate.of, await queries.since(tx, ScheduledPrice, product_id, since))
    candidates += map(Candidate.of, await queries.since(tx, GroupPrice, product_id, since))
    currency = currency or (base.currency if base else product.price_currency)
    groups = frozenset() if group is None else frozenset({group})
    return currency, explained(candidates, quantity, currency, at, groups)
