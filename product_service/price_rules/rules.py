"""What price rules want a product to cost: pure functions, used by the job that sets prices and by the preview.

Amounts are integers in the currency's minor unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from product_service.price_rules.models import PriceRule
from product_service.products.models import Status
from product_service.products.prices import ScheduledPrice

WHOLE = 10_000
"""Hundredths of a percent."""


@dataclass(frozen=True)
class Priced:
    """A product as rules see it. `stock`: pieces that can be ordered; None: not known. `demand`: ordered pieces by day
    (UTC)."""

    id: UUID
    status: str
    amount: int
    currency: str
    family_id: UUID | None = None
    category_path: frozenset[UUID] = frozenset()
    stock: int | None = None
    demand: Mapping[date, int] = field(default_factory=dict)

    def pieces_per_day(self, days: int, today: date) -> float:
        """On average of the last `days` days, today among them."""
        return sum(self.demand.get(today - timedelta(days=number), 0) for number in range(days)) / days


class Step(NamedTuple):
    """A step of the calculation, and the amount after it."""

    reason: str
    amount: int


class Wanted(NamedTuple):
    amount: int
    rule: PriceRule
    why: Sequence[Step]


class Plan(NamedTuple):
    """`current`: the price that a rule has set. `blocked`: a price that staff scheduled counts, so no rule applies."""

    wanted: Wanted | None
    current: ScheduledPrice | None
    blocked: bool

    @property
    def is_kept(self) -> bool:
        if self.wanted is None or self.current is None:
            return self.wanted is None and self.current is None
        return self.wanted.amount == self.current.amount


def plan(product: Priced, prices: Sequence[ScheduledPrice], rules: Sequence[PriceRule], now: datetime) -> Plan:
    """`prices`: the product's scheduled prices of one piece that apply now or later."""
    applying = [each for each in prices if each.starts_at <= now and each.currency == product.currency]
    blocked = any(each.rule_id is None for each in applying)
    by_rule = max((each for each in prices if each.rule_id), key=lambda each: each.starts_at, default=None)
    if blocked or product.status != Status.ACTIVE:
        return Plan(None, by_rule, blocked)
    return Plan(wanted(product, rules, now), by_rule, blocked)


def wanted(product: Priced, rules: Sequence[PriceRule], now: datetime) -> Wanted | None:
    """By the rule with the highest priority whose scope, window and conditions are met. None: the base price."""
    for rule in sorted(rules, key=lambda each: (-each.priority, each.id)):
        if rule.currency != product.currency or not in_scope(rule, product) or not is_open(rule, now):
            continue
        found = _conditions(rule, product, now.date())
        if found is not None:
            steps = list(_steps(rule, product.amount, found))
            amount = steps[-1].amount
            return Wanted(amount, rule, steps) if amount != product.amount else None
    return None


def in_scope(rule: PriceRule, product: Priced) -> bool:
    """A rule without a scope is for all products."""
    scope = {name: {UUID(id) for id in ids} for name, ids in rule.scope.items() if ids}
    if not scope:
        return True
    return (
        product.id in scope.get("product_ids", ())
        or product.family_id in scope.get("family_ids", ())
        or not product.category_path.isdisjoint(scope.get("category_ids", ()))
    )


def is_open(rule: PriceRule, now: datetime) -> bool:
    """By the clock of the window's time zone. A window over midnight belongs to the day on which it begins."""
    window = rule.time_window
    local = now.astimezone(ZoneInfo(window.get("time_zone", "UTC")))
    day, clock = local.date(), local.time()
    begin, end = (time.fromisoformat(window[name]) if window.get(name) else None for name in ("from", "until"))
    if begin is not None and end is not None and end <= begin:
        if clock < end:
            day -= timedelta(days=1)
        elif clock < begin:
            return False
    elif (begin is not None and clock < begin) or (end is not None and clock >= end):
        return False
    if window.get("starts_on") and day < date.fromisoformat(window["starts_on"]):
        return False
    if window.get("ends_on") and day > date.fromisoformat(window["ends_on"]):
        return False
    return not window.get("days") or day.isoweekday() in window["days"]


def _conditions(rule: PriceRule, product: Priced, today: date) -> str | None:
    """The facts that meet the rule's conditions, in words; None: they don't."""
    when: dict[str, Any] = rule.conditions
    facts = []
    if when.get("stock_below") is not None or when.get("stock_above") is not None:
        if product.stock is None or not _between(product.stock, when.get("stock_above"), when.get("stock_below")):
            return None
        facts.append(f"{product.stock} left")
    if when.get("demand_below") is not None or when.get("demand_above") is not None:
        demand = product.pieces_per_day(when["demand_days"], today)
        if not _between(demand, when.get("demand_above"), when.get("demand_below")):
            return None
        facts.append(f"{demand:.2f} ordered per day")
    return ", ".join(facts)


def _between(value: float, above: float | None, below: float | None) -> bool:
    return (above is None or value > above) and (below is None or value < below)


def _steps(rule: PriceRule, base: int, facts: str) -> Iterator[Step]:
    yield Step("base price", base)
    if rule.change_bp is not None:
        effect = f"{rule.change_bp / 100:+g} %"
        amount = (2 * base * (WHOLE + rule.change_bp) + WHOLE) // (2 * WHOLE)  # half up
    else:
        effect = f"{rule.change_amount:+d}"
        amount = base + (rule.change_amount or 0)
    amount = max(amount, 1)
    yield Step(f"rule {rule.name}: {effect}" + (f" ({facts})" if facts else ""), amount)
    if rule.floor is not None and amount < rule.floor:
        amount = rule.floor
        yield Step("floor", amount)
    if rule.ceiling is not None and amount > rule.ceiling:
        amount = rule.ceiling
        yield Step("ceiling", amount)
    if rule.ending is not None:
        ended = _with_ending(rule, base, amount)
        yield Step("ending" if ended is not None else "ending not applied", amount if ended is None else ended)


def _with_ending(rule: PriceRule, base: int, amount: int) -> int | None:
    """The nearest amount with this ending that is within the limits and on the same side of the base price; of two
    equally near ones, the lower. None: there is none."""
    assert rule.ending is not None
    lower = amount - (amount - rule.ending) % 100
    for candidate in sorted((lower, lower + 100), key=lambda each: (abs(each - amount), each)):
        keeps_limits = (rule.floor is None or candidate >= rule.floor) and (
            rule.ceiling is None or candidate <= rule.ceiling
        )
        keeps_side = (candidate - base) * (amount - base) > 0
        if candidate > 0 and keeps_limits and keeps_side:
            return candidate
    return None
