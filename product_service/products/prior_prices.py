"""Prior prices: what one piece cost at the lowest, shortly before its price was reduced.

A shop in the EU must show it with every reduction (Directive 98/6/EC, article 6a), and may compare the new price with
no other one (Court of Justice of the EU, C-330/23). Prices of groups and of larger quantities are not public prices of
one piece, and don't count. Only what happens before a price starts decides its prior price: once it has started, that
can't change any more.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from product_service.products.prices import BasePrice, ScheduledPrice
from product_service.settings import Settings

UNRECORDED = timedelta(hours=1)
"""A product that was on sale for longer than this before the history of its base prices begins was migrated from a
release without that history."""


@dataclass(frozen=True)
class PriorPriceRule:
    """`progressive`: a reduction of a reduced price has the prior price of the first reduction, as member states may
    permit (article 6a, paragraph 5)."""

    days: int = 30
    progressive: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "PriorPriceRule":
        return cls(settings.prior_price_days, settings.prior_price_progressive)

    def begin(self, start: datetime) -> datetime:
        return start - timedelta(days=self.days)


class _Step(NamedTuple):
    """The public price of one piece from `at` until the next step; None: there is none in this currency."""

    at: datetime
    price: ScheduledPrice | BasePrice | None


@dataclass(frozen=True)
class PublicPrices:
    """The prices of one piece in one currency, each from its start until before the next."""

    steps: Sequence[_Step]
    on_sale_since: datetime | None
    recorded_since: datetime | None

    @classmethod
    def of(
        cls,
        base: Sequence[BasePrice],
        scheduled: Iterable[ScheduledPrice],
        currency: str,
        on_sale_since: datetime | None,
    ) -> "PublicPrices":
        """`base`: in the sequence of their times. `scheduled`: those for one piece, of any currency."""
        prices = [price for price in scheduled if price.currency == currency]
        return cls(list(_steps(base, prices, currency)), on_sale_since, base[0].effective_from if base else None)

    def prior(self, amount: int, start: datetime, rule: PriorPriceRule) -> int | None:
        """The prior price of `amount` from `start` on; None: the product was not on sale before, or its prices of that
        time are not known."""
        if self.on_sale_since is None:
            return None
        begin = max(rule.begin(start), self.on_sale_since)
        if begin >= start or self._is_unrecorded(begin):
            return None
        last = bisect_left(self.steps, start, key=lambda step: step.at)
        first = max(0, bisect_right(self.steps, begin, hi=last, key=lambda step: step.at) - 1)
        before = [step.price for step in self.steps[first:last]]
        if rule.progressive and before and (reduced := before[-1]):
            prior = reduced.prior_amount
            if prior is not None and amount < reduced.amount < prior:
                return prior
        return min((price.amount for price in before if price), default=None)

    def _is_unrecorded(self, begin: datetime) -> bool:
        if self.recorded_since is None or self.on_sale_since is None:
            return True
        return begin < self.recorded_since and self.recorded_since - self.on_sale_since > UNRECORDED


def set_prior_prices(
    base: Sequence[BasePrice],
    scheduled: Sequence[ScheduledPrice],
    on_sale_since: datetime | None,
    now: datetime,
    rule: PriorPriceRule,
) -> None:
    """Sets the prior price of each scheduled price that starts now or later. `base` and `scheduled` begin before
    `rule.begin(now)`, and have only prices of one piece."""
    coming = sorted((price for price in scheduled if price.starts_at >= now), key=lambda price: price.starts_at)
    known = {
        currency: PublicPrices.of(base, scheduled, currency, on_sale_since)
        for currency in {price.currency for price in coming}
    }
    for price in coming:
        price.prior_amount = known[price.currency].prior(price.amount, price.starts_at, rule)


def _steps(base: Sequence[BasePrice], scheduled: Sequence[ScheduledPrice], currency: str) -> Iterator[_Step]:
    """Of the scheduled prices in force, the one that started last applies, or else the base price: those that have
    started are a stack, from which ended ones are removed when they are on its top."""
    starting = sorted(scheduled, key=lambda price: (price.starts_at, -price.amount), reverse=True)
    ends = (price.ends_at for price in scheduled if price.ends_at)
    times = {*(price.effective_from for price in base), *(price.starts_at for price in scheduled), *ends}
    started: list[ScheduledPrice] = []
    coming, present = list(reversed(base)), None
    for at in sorted(times):
        while coming and coming[-1].effective_from <= at:
            present = coming.pop()
        while starting and starting[-1].starts_at <= at:
            started.append(starting.pop())
        while started and (end := started[-1].ends_at) is not None and end <= at:
            started.pop()
        yield _Step(at, started[-1] if started else present if present and present.currency == currency else None)
