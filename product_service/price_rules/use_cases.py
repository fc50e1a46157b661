"""Creates and changes price rules, sets the prices that they want, and previews them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from product_service.price_rules import queries
from product_service.price_rules.models import PriceRule
from product_service.price_rules.rules import Plan, is_open, plan
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.prices import MAX_LIVE_PRICES, ScheduledPrice
from product_service.products.prior_prices import PriorPriceRule
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.concurrency import change as change_row
from service_kit.database import Session
from service_kit.database.signals import signal
from service_kit.problems import not_found

SIGNAL = "price-rules-due"
DEFAULT_COOLDOWN = timedelta(minutes=15)


async def create(tx: Session, columns: dict[str, Any]) -> PriceRule:
    """Raises: RuleWithoutEffect, FloorAboveCeiling."""
    rule = PriceRule(**columns)
    rule.check()
    tx.add(rule)
    await tx.flush()
    signal(tx, SIGNAL)
    return rule


async def replace(tx: Session, rule_id: UUID, expected: Expected, columns: dict[str, Any]) -> PriceRule:
    """Raises: NotFound, PreconditionFailed, RuleWithoutEffect, FloorAboveCeiling."""
    rule = await _lock(tx, rule_id, expected)
    if change_row(rule, columns):
        rule.check()
        rule.updated_at, rule.is_open = utcnow(), None
        await queries.QUEUE_PRICED_BY.execute(tx, rule_id=rule_id, now=rule.updated_at)
        signal(tx, SIGNAL)
    return rule


async def delete(tx: Session, rule_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed."""
    rule = await _lock(tx, rule_id, expected)
    await queries.QUEUE_PRICED_BY.execute(tx, rule_id=rule_id, now=utcnow())
    # A rule with a lower priority may apply now where this one had left the base price.
    await queries.queue_scope(tx, rule, utcnow())
    await tx.delete(rule)
    signal(tx, SIGNAL)


async def follow_time(tx: Session) -> None:
    """Queues the products of rules that were changed, whose window has opened or closed, or whose demand is that of
    another day."""
    now = utcnow()
    for rule in await queries.lock_rules(tx):
        opens, demand_on = is_open(rule, now), now.date() if rule.conditions.get("demand_days") else None
        if (opens, demand_on) != (rule.is_open, rule.demand_on):
            rule.is_open, rule.demand_on = opens, demand_on
            await queries.queue_scope(tx, rule, now)


async def apply_next(tx: Session, prior: PriorPriceRule, limit: int) -> bool:
    """Sets the prices of the next products that are due, `limit` at most. Returns whether there may be more."""
    if not await queries.CLAIM.fetchval(tx):
        return False
    await product_queries.share_tree(tx)
    ids = [id for (id,) in await queries.DUE.fetch(tx, now=utcnow(), limit=limit)]
    if not ids:
        return False
    # Whoever changes a product locks it before its row in the queue, and so does this.
    locked = await product_queries.lock_all(tx, ids)
    await queries.TAKE.execute(tx, ids=ids)
    now = utcnow()
    changed, again = await _set_prices(tx, locked, now)
    await products.set_prior(tx, changed, prior, now)
    await products.publish(tx, *changed, queue=False)
    await queries.QUEUE_AGAIN.execute(tx, ids=list(again), times=list(again.values()))
    return len(ids) == limit


async def _set_prices(
    tx: Session, locked: Sequence[Product], now: datetime
) -> tuple[list[Product], Mapping[UUID, datetime]]:
    """Returns the products whose prices have changed, and when products have to be evaluated again."""
    rules = await queries.rules(tx)
    plans = await plans_of(tx, locked, rules, now)
    cooldowns = {rule.id: timedelta(seconds=rule.cooldown_seconds) for rule in rules}
    found = await queries.LAST_CHANGES.fetch(tx, ids=[product.id for product in locked])
    last: dict[UUID, datetime] = {row[0]: row[1] for row in found}
    changed: list[Product] = []
    again: dict[UUID, datetime] = {}
    for product in locked:
        planned, prices = plans[product.id]
        due = [time for each in prices if not each.rule_id for time in (each.starts_at, each.ends_at) if time]
        if not planned.is_kept:
            rest = last.get(product.id, now) + _cooldown(planned, cooldowns)
            if product.id in last and now < rest and not planned.blocked:
                due.append(rest)
            elif planned.wanted is None or len(prices) < MAX_LIVE_PRICES:
                _replace_price(tx, product, planned, now)
                changed.append(product)
        if coming := [time for time in due if time > now]:
            again[product.id] = min(coming)
    return changed, again


def _cooldown(planned: Plan, known: Mapping[UUID, timedelta]) -> timedelta:
    """Of the rule that wants a price, or else of the one whose price is to end."""
    if planned.wanted is not None:
        return known[planned.wanted.rule.id]
    rule_id = planned.current.rule_id if planned.current else None
    return known.get(rule_id, DEFAULT_COOLDOWN) if rule_id else DEFAULT_COOLDOWN


def _replace_price(tx: Session, product: Product, planned: Plan, now: datetime) -> None:
    if planned.current is not None:
        planned.current.end(None, now)
    if (wanted := planned.wanted) is not None:
        why = [step._asdict() for step in wanted.why]
        price = ScheduledPrice(
            product_id=product.id,
            amount=wanted.amount,
            currency=product.price_currency,
            min_quantity=1,
            starts_at=now,
            rule_id=wanted.rule.id,
            why=why,
        )
        tx.add(price)


class Planned(NamedTuple):
    """What rules want for a product, and its scheduled prices of one piece."""

    plan: Plan
    prices: Sequence[ScheduledPrice]


async def plans_of(
    tx: Session, found: Sequence[Product], rules: Iterable[PriceRule], now: datetime
) -> Mapping[UUID, Planned]:
    """The same for the job and the preview, so that they agree."""
    rules = list(rules)
    priced = await queries.priced(tx, found, now.date())
    live = await product_queries.live_prices(tx, ScheduledPrice, list(priced), now)
    prices = products.by_product(each for each in live if each.min_quantity == 1)
    return {id: Planned(plan(each, prices[id], rules, now), prices[id]) for id, each in priced.items()}


async def preview(
    tx: Session, columns: dict[str, Any], replaces: UUID | None, after: UUID | None, limit: int
) -> tuple[Sequence[tuple[Product, Planned]], UUID | None]:
    """What the rules would want for the next products, if this one were among them. Also returns the last product's
    id, unless there are no more. Nothing is stored. Raises: RuleWithoutEffect, FloorAboveCeiling."""
    rule = PriceRule(**columns)
    rule.check()
    rules = [each for each in await queries.rules(tx) if each.id != replaces]
    found = await queries.products_after(tx, after, limit)
    plans = await plans_of(tx, found, [*rules, rule], utcnow())
    last = found[-1].id if len(found) == limit else None
    return [(product, plans[product.id]) for product in found], last


async def _lock(tx: Session, rule_id: UUID, expected: Expected) -> PriceRule:
    rule = await queries.lock(tx, rule_id) or not_found(PriceRule, rule_id)
    expected.check(rule.version)
    return rule
