"""Which shipping methods an order can be sent by, at what price, and when it is expected to arrive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from order_service.pricing.lines import QuoteLine, Shipping, ShippingMethodOffer
from order_service.pricing.places import Destination, normal_region
from service_kit.problems import Problem

SATURDAY = 5


class NoShippingThere(Problem, status=409, type="shipping-not-to-there"):
    """Nothing is sent to {country}{postal_code}: no shipping method reaches that address."""


class ShippingMethodUnavailable(Problem, status=409, type="shipping-method-unavailable"):
    """The shipping method {shipping_method} is not offered for this order; `offered` has the codes of the others."""


class Kind(StrEnum):
    DELIVERY = "delivery"
    PICKUP = "pickup"


class By(StrEnum):
    """What a rate depends on: the goods' price after discounts, their weight in grams, or the number of pieces."""

    TOTAL = "total"
    WEIGHT = "weight"
    PIECES = "pieces"


@dataclass(frozen=True, slots=True)
class ShippingRate:
    """`amount` is charged from `from_value` on, until a rate with a higher `from_value` applies."""

    currency: str
    by: By
    from_value: int
    amount: int


@dataclass(frozen=True, slots=True)
class ShippingMethod:
    """`tax`: a tax class, or `follows_goods`. `free_from`: by currency, the price of the goods after discounts from
    which it is free. The estimate counts working days; orders after `cutoff` (UTC) count as placed on the next day.
    `default_weight`: grams of a piece whose weight is not known."""

    id: UUID
    code: str
    name: str
    kind: Kind
    tax: str
    rates: tuple[ShippingRate, ...]
    free_from: Mapping[str, int]
    min_days: int
    max_days: int
    cutoff: time | None = None
    default_weight: int = 0
    warehouse_id: UUID | None = None

    def price(self, goods: "Goods") -> int | None:
        """None: there is no rate for these goods in their currency."""
        reached = [
            rate
            for rate in self.rates
            if rate.currency == goods.currency and rate.from_value <= goods.value(rate.by, self.default_weight)
        ]
        if not reached:
            return None
        threshold = self.free_from.get(goods.currency)
        if threshold is not None and goods.total >= threshold:
            return 0
        return max(reached, key=lambda rate: rate.from_value).amount

    def arrival(self, now: datetime) -> tuple[date, date]:
        start = now.date()
        if self.cutoff is not None and now.time() >= self.cutoff:
            start += timedelta(days=1)
        return working_days_after(start, self.min_days), working_days_after(start, self.max_days)


@dataclass(frozen=True, slots=True)
class ShippingZone:
    """An area with the methods that reach it, in the order in which they are offered. Without countries: every country
    that no other zone names."""

    id: UUID
    name: str
    countries: frozenset[str]
    regions: frozenset[str]
    postal_prefixes: tuple[str, ...]
    methods: tuple[ShippingMethod, ...]

    def match(self, to: Destination) -> tuple[int, int, int] | None:
        """How exactly the zone describes the address; None: it does not contain it."""
        if self.countries and to.country not in self.countries:
            return None
        if self.regions and normal_region(to.region or "") not in self.regions:
            return None
        code = (to.postal_code or "").replace(" ", "").upper()
        prefixes = [prefix for prefix in self.postal_prefixes if code.startswith(prefix)]
        if self.postal_prefixes and not prefixes:
            return None
        return max(map(len, prefixes), default=0), bool(self.regions), bool(self.countries)


@dataclass(frozen=True, slots=True)
class Goods:
    """What a shipping rate depends on. `total` is the price of the goods after discounts, as the lines show it."""

    currency: str
    total: int
    pieces: int
    lines: Sequence[QuoteLine]

    @classmethod
    def of(cls, currency: str, lines: Sequence[QuoteLine]) -> "Goods":
        return cls(currency, sum(line.price for line in lines), sum(line.quantity for line in lines), lines)

    def value(self, by: By, default_weight: int) -> int:
        if by is By.TOTAL:
            return self.total
        return self.pieces if by is By.PIECES else self.weight(default_weight)

    def weight(self, default: int) -> int:
        """In grams; `default` is the weight of a piece whose weight is not known."""
        return sum(
            (default if line.facts.weight_g is None else line.facts.weight_g) * line.quantity for line in self.lines
        )


def find_zone(zones: Sequence[ShippingZone], to: Destination) -> ShippingZone | None:
    """The zone that describes the address most exactly."""
    matches = [(match, zone) for zone in zones if (match := zone.match(to)) is not None]
    return max(matches, key=lambda each: each[0])[1] if matches else None


def offers(zones: Sequence[ShippingZone], to: Destination, goods: Goods, now: datetime) -> list[ShippingMethodOffer]:
    """The methods for these goods, in the shop's order."""
    zone = find_zone(zones, to)
    found = []
    for method in zone.methods if zone else ():
        amount = method.price(goods)
        if amount is not None:
            named = (method.id, method.code, method.name, method.kind, amount, method.tax)
            found.append(ShippingMethodOffer(*named, *method.arrival(now), method.warehouse_id))
    return found


def choose(offered: Sequence[ShippingMethodOffer], wanted: str | None, to: Destination) -> Shipping:
    """The shipping by the wanted method; None: by the first. Raises: NoShippingThere, ShippingMethodUnavailable."""
    if not offered:
        raise NoShippingThere(country=to.country, postal_code=f" {to.postal_code}" if to.postal_code else "")
    chosen = next((each for each in offered if wanted in (None, each.code)), None)
    if chosen is None:
        raise ShippingMethodUnavailable(shipping_method=wanted, offered=[each.code for each in offered])
    delivered = [each.amount for each in offered if each.kind == Kind.DELIVERY] or [chosen.amount]
    return Shipping(chosen, amount=chosen.amount, total=chosen.amount, standard_amount=min(delivered))


@lru_cache(maxsize=1024)
def working_days_after(day: date, count: int) -> date:
    """The day `count` working days (Monday to Friday) after `day`; a weekend counts as the Monday after it."""
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    weeks, rest = divmod(count, 5)
    day += timedelta(weeks=weeks)
    for _ in range(rest):
        day += timedelta(days=3 if day.weekday() == SATURDAY - 1 else 1)
    return day
