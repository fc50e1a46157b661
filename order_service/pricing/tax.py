"""Taxes on the lines and the shipping of an order. Each amount is rounded once and stored with its line.

Prices that include tax keep their gross amount in every country, and the tax is worked out of it. Only a business that
accounts for the tax itself (reverse charge) pays less: the home country's tax is taken out of the price.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Protocol
from uuid import UUID

from order_service.pricing.arithmetic import MILLION, half_up, split
from order_service.pricing.lines import QuoteLine, Shipping, TaxPart
from order_service.pricing.places import Destination, normal_region

STANDARD = "standard"
"""The tax class of a product that names none; a class without a rate of its own is taxed at this one's."""
FOLLOWS_GOODS = "follows_goods"
"""Shipping that is taxed as the goods are, in proportion to their prices."""

EU = frozenset(
    code
    for row in ("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU", "IE IT LT LU LV MT NL PL PT RO SE SI SK")
    for code in row.split()
)
"""The member states of the European Union, whose businesses account for the tax on goods from another member state
(Directive 2006/112/EC, Article 138)."""


class TaxNote(StrEnum):
    """Why an order has no tax, for its invoice."""

    NONE = "none"
    """The address lies in no tax zone."""
    REVERSE_CHARGE = "reverse_charge"


class Taxable(NamedTuple):
    """What is taxed, at the time `now`. Amounts are multiples of `step`. `tax_id_is_valid`: the buyer is a business
    whose tax id was confirmed."""

    lines: Sequence[QuoteLine]
    shipping: Shipping
    to: Destination
    now: datetime
    step: int
    tax_id_is_valid: bool


class Taxed(NamedTuple):
    """How an order was taxed. `note`: why it has no tax."""

    prices_include_tax: bool = True
    note: TaxNote | None = None


class TaxProvider(Protocol):
    """Works out the taxes of orders. One value is a part of the rules, and replaced with them.

    It is asked while a customer waits and a connection is held, so it answers from memory and never asks a service of
    somebody else. A provider that calculates elsewhere needs answers that were stored before the order is placed.
    """

    @property
    def is_empty(self) -> bool:
        """Whether nothing is configured. Then orders are not taxed, and have no note."""

    def apply(self, order: Taxable) -> Taxed:
        """Sets tax, rate and total of each line, and those of the shipping."""


@dataclass(frozen=True, slots=True)
class TaxRate:
    """`rate` in parts per million, in force from `starts_at` until before `ends_at` (None: without a limit)."""

    tax_class: str
    rate: int
    name: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True)
class TaxZone:
    """Countries, or regions of one, with the same tax rates. `rounding`: once per `line`, or once per `rate` over the
    whole order; `mode`: `half_up` or `down`."""

    id: UUID
    name: str
    countries: frozenset[str]
    regions: frozenset[str] = frozenset()
    rounding: str = "line"
    mode: str = "half_up"
    prices_include_tax: bool = True
    rates: tuple[TaxRate, ...] = ()

    def rate(self, tax_class: str, now: datetime) -> int:
        """The rate of the class, or the standard rate if it has none; 0 if there is none either."""
        standard = 0
        for each in self.rates:
            if each.in_force(now):
                if each.tax_class == tax_class:
                    return each.rate
                if each.tax_class == STANDARD:
                    standard = each.rate
        return standard

    def tax_in(self, price: int, rate: int, step: int) -> int:
        """The tax on a price: in it if prices include tax, otherwise on top, as a multiple of `step`."""
        divide = _floor if self.mode == "down" else half_up
        if self.prices_include_tax:
            return divide(price * rate, MILLION + rate)
        return divide(price * rate, MILLION * step) * step


@dataclass(frozen=True)
class Taxes:
    """The built-in provider: tax zones with their rates, and the country that the shop sells from."""

    zones: tuple[TaxZone, ...] = ()
    home_country: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.zones

    def apply(self, order: Taxable) -> Taxed:
        if order.tax_id_is_valid and self.reverses_charge(order.to.country):
            _reverse_charge(self.home, order)
            return Taxed(note=TaxNote.REVERSE_CHARGE)
        zone = self.zone(order.to.country, order.to.region)
        if zone is None:
            leave_untaxed(order.lines, order.shipping)
            return Taxed(note=TaxNote.NONE)
        _tax(zone, order)
        return Taxed(zone.prices_include_tax)

    def zone(self, country: str, region: str | None = None) -> TaxZone | None:
        """The zone of an address: one of its region before one of the whole country."""
        of_country = None
        for zone in self._by_country.get(country, ()):
            if zone.regions:
                if region is not None and normal_region(region) in zone.regions:
                    return zone
            else:
                of_country = zone
        return of_country

    def reverses_charge(self, country: str) -> bool:
        """Whether a business in this country with a valid tax id accounts for the tax itself."""
        return country in EU and self.home_country in EU and country != self.home_country

    @cached_property
    def home(self) -> TaxZone | None:
        return self.zone(self.home_country) if self.home_country else None

    @cached_property
    def _by_country(self) -> Mapping[str, Sequence[TaxZone]]:
        found: defaultdict[str, list[TaxZone]] = defaultdict(list)
        for zone in self.zones:
            for country in zone.countries:
                found[country].append(zone)
        return found


def leave_untaxed(lines: Sequence[QuoteLine], shipping: Shipping) -> None:
    """Sets the totals of the lines and of the shipping to their prices."""
    for line in lines:
        line.total = line.price
    shipping.total = shipping.price


def _tax(zone: TaxZone, order: Taxable) -> None:
    lines, shipping, step = order.lines, order.shipping, order.step
    rates = _rates(zone, order)
    parts = _shipping_parts(zone, order, rates)
    prices = [line.price for line in lines]
    if parts:
        prices += [price for _, price in parts]
        rates += [rate for rate, _ in parts]
    if zone.rounding == "rate":
        taxes = _by_rate(zone, prices, rates, step)
    else:
        taxes = [zone.tax_in(price, rate, step) for price, rate in zip(prices, rates, strict=True)]
    included = zone.prices_include_tax
    for line, rate, price, tax in zip(lines, rates, prices, taxes, strict=False):
        line.tax_rate, line.tax = rate, tax
        line.total = price if included else price + tax
    shipping.taxes = [
        TaxPart(rate, price - tax if included else price, tax)
        for (rate, price), tax in zip(parts, taxes[len(lines) :], strict=True)
    ]
    shipping.tax = sum([each.tax for each in shipping.taxes])
    shipping.total = shipping.price if included else shipping.price + shipping.tax


def _reverse_charge(home: TaxZone | None, order: Taxable) -> None:
    """Takes the home country's tax out of prices that include it. No tax is added."""
    lines, shipping = order.lines, order.shipping
    leave_untaxed(lines, shipping)
    if home is not None and home.prices_include_tax:
        rates = _rates(home, order)
        for line, rate in zip(lines, rates, strict=True):
            line.total -= home.tax_in(line.price, rate, 1)
        parts = _shipping_parts(home, order, rates)
        shipping.total -= sum(home.tax_in(price, rate, 1) for rate, price in parts)
    shipping.taxes = [TaxPart(0, shipping.total, 0)] if shipping.total else []


def _rates(zone: TaxZone, order: Taxable) -> list[int]:
    """The rate of each line."""
    classes = [line.facts.tax_class for line in order.lines]
    known = {tax_class: zone.rate(tax_class, order.now) for tax_class in set(classes)}
    return [known[tax_class] for tax_class in classes]


def _shipping_parts(zone: TaxZone, order: Taxable, rates: Sequence[int]) -> list[tuple[int, int]]:
    """The shipping's price, divided into the parts that are taxed at one rate: (rate, price). `rates`: of the lines."""
    method, price = order.shipping.method, order.shipping.price
    if method is None or not price:
        return []
    if method.tax != FOLLOWS_GOODS:
        return [(zone.rate(method.tax, order.now), price)]
    if len(set(rates)) == 1:
        return [(rates[0], price)]
    weights = [line.price for line in order.lines]
    if not any(weights):  # goods that are free: by what they cost before the discount
        weights = [line.subtotal for line in order.lines]
    if not any(weights):
        weights = [line.quantity for line in order.lines]
    found: defaultdict[int, int] = defaultdict(int)
    for rate, amount in zip(rates, split(price, weights), strict=True):
        found[rate] += amount
    return [(rate, amount) for rate, amount in sorted(found.items(), reverse=True) if amount]


def _by_rate(zone: TaxZone, prices: Sequence[int], rates: Sequence[int], step: int) -> list[int]:
    """One rounding for each rate over the whole order, divided over the prices that it applies to."""
    taxes = [0] * len(prices)
    for rate in set(rates):
        members = [n for n, each in enumerate(rates) if each == rate]
        whole = sum(prices[n] for n in members)
        if not whole:
            continue
        tax = zone.tax_in(whole, rate, step)
        amounts = split(tax, [prices[n] for n in members], 1 if zone.prices_include_tax else step)
        for n, amount in zip(members, amounts, strict=True):
            taxes[n] = amount
    return taxes


def _floor(numerator: int, denominator: int) -> int:
    return numerator // denominator
