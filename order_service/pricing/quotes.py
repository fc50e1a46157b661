"""Calculates what a cart, a quote, a draft or an order costs: one function for all, from the items, our copy of the
catalogue and the shop's rules for promotions, shipping and tax.

Amounts are integers in the currency's minor unit.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from contracts.money import Money
from order_service.catalogue.models import Product
from order_service.pricing.lines import Adjustment, QuoteLine, Shipping, ShippingMethodOffer
from order_service.pricing.promotions import Applied, Code, PromotionUnusable
from order_service.pricing.rules import NO_TERMS, Terms
from order_service.pricing.shipping import Goods, ShippingMethodUnavailable, choose, offers
from order_service.pricing.tax import Taxable, Taxed, TaxNote, leave_untaxed
from service_kit.iso_codes import smallest_charge
from service_kit.problems import Problem

MAX_AMOUNT = 10**12
NO_PRICE = "no-price"


class ProductUnavailable(Problem, status=409, type="product-unavailable"):
    """Some products can't be ordered; `lines` names each, and why."""


class PriceChanged(Problem, status=409, type="price-changed"):
    """The prices are not those that were expected: `total` is what the order comes to now, and `lines` names each line
    whose unit price is another."""


class OneCurrencyPerOrder(Problem, status=409, type="one-currency-per-order"):
    """The lines have no currency in common: order them apart."""


class OrderTooLarge(Problem, status=409, type="order-too-large"):
    """The order comes to {total}; the most is {most}, in the currency's minor unit."""


class Item(Protocol):
    """An item of a cart or an order request. `agreed_unit_price` replaces the catalogue's price."""

    @property
    def product_id(self) -> UUID: ...
    @property
    def quantity(self) -> int: ...
    @property
    def agreed_unit_price(self) -> Money | None: ...


class OrderedItem(Item, Protocol):
    """`expected_unit_price`: the price that the customer was shown."""

    @property
    def expected_unit_price(self) -> Money | None: ...


class Unpriced(NamedTuple):
    """An item that can't be bought, by its position from 1. `reason`: the product's status, `unknown` or `no-price`."""

    line: int
    product_id: UUID
    reason: str


@dataclass(frozen=True)
class Quote:
    """Each discount and tax belongs to a line or to the shipping, never to the order as a whole, so that the amount
    paid for a part of the order is always known. The total excludes `unpriced` items.

    `problems` are the reasons of codes that can't be used, or why nothing can be shipped; an order is never placed with
    them.
    """

    currency: str
    lines: Sequence[QuoteLine]
    unpriced: Sequence[Unpriced] = ()
    shipping: Shipping = field(default_factory=Shipping)
    shipping_methods: Sequence[ShippingMethodOffer] = ()
    adjustments: Sequence[Adjustment] = ()
    redeemed: Mapping[UUID, Code] = field(default_factory=dict)
    """The codes that took something off, by their promotion."""
    prices_include_tax: bool = True
    tax_note: TaxNote | None = None
    problems: Sequence[Problem] = ()

    @cached_property
    def total(self) -> int:
        return sum([line.total for line in self.lines]) + self.shipping.total

    @cached_property
    def tax(self) -> int:
        return sum([line.tax for line in self.lines]) + self.shipping.tax

    @cached_property
    def discount(self) -> int:
        return sum([line.discount for line in self.lines]) + self.shipping.discount

    @property
    def net(self) -> int:
        return self.total - self.tax

    def agreed_prices(self) -> list[dict[str, Any]]:
        """The lines with an agreed price, for the order's history."""
        return [
            {"line": line.position, "unit_price": line.unit_price, "list_price": line.list_price}
            for line in self.lines
            if line.agreed
        ]


def quote(
    items: Sequence[Item],
    products: Mapping[UUID, Product],
    now: datetime,
    *,
    currency: str | None,
    preferred: str,
    terms: Terms = NO_TERMS,
) -> Quote:
    """Prices of all items that have one, with discounts, shipping and tax.

    If `currency` is None, the function picks one in which every item has a price, `preferred` if possible. An agreed
    price isn't converted: its currency must be `currency`.
    """
    currency = currency or _common_currency(items, products, now, preferred)
    lines: list[QuoteLine] = []
    unpriced: list[Unpriced] = []
    for position, item in enumerate(items, 1):
        product = products.get(item.product_id)
        if product is None or not product.orderable:
            unpriced.append(Unpriced(position, item.product_id, product.status if product else "unknown"))
            continue
        list_price = product.unit_price(item.quantity, currency, now)
        agreed = item.agreed_unit_price
        unit_price = agreed.amount if agreed else list_price
        if unit_price is None:
            unpriced.append(Unpriced(position, product.id, NO_PRICE))
            continue
        words = (product.id, product.sku, product.name, item.quantity, unit_price)
        lines.append(QuoteLine(position, *words, agreed is not None, list_price, product.facts))
    found = Quote(currency, lines, unpriced)
    return found if terms.rules.is_empty and not terms.codes else _with_terms(found, terms, now)


def _with_terms(found: Quote, terms: Terms, now: datetime) -> Quote:
    """The quote with promotions, shipping and tax, in this order: each depends on what the one before has left."""
    rules, step, lines = terms.rules, smallest_charge(found.currency), found.lines
    applied = None
    problems: list[Problem] = []
    if terms.codes or rules.has_automatic_promotions:
        applied = Applied(rules.in_order, terms.codes, terms.buyer, found.currency, step, now)
        applied.to_lines(lines)
    shipping, offered = Shipping(), []
    if terms.to is not None and rules.shipping_zones and lines:
        offered = offers(rules.shipping_zones, terms.to, Goods.of(found.currency, lines), now)
        try:
            shipping = choose(offered, terms.shipping_method, terms.to)
        except Problem as problem:
            problems.append(problem)
    elif terms.shipping_method is not None and terms.to is not None:
        problems.append(ShippingMethodUnavailable(shipping_method=terms.shipping_method, offered=[]))
    if applied is not None:
        applied.to_shipping(lines, shipping)
        if applied.reasons:
            reasons = [{"code": code, "reason": reason} for code, reason in applied.reasons.items()]
            problems.append(PromotionUnusable(codes=reasons))
    taxed = _tax(terms, lines, shipping, now, step)
    return Quote(
        found.currency,
        lines,
        found.unpriced,
        shipping=shipping,
        shipping_methods=offered,
        adjustments=sorted(applied.adjustments, key=lambda each: (each.position, each.promotion_id)) if applied else (),
        redeemed=applied.redeemed if applied else {},
        prices_include_tax=taxed.prices_include_tax,
        tax_note=taxed.note,
        problems=problems,
    )


def _tax(terms: Terms, lines: Sequence[QuoteLine], shipping: Shipping, now: datetime, step: int) -> Taxed:
    """Sets the taxes and totals."""
    if terms.to is None or terms.rules.taxes.is_empty:
        leave_untaxed(lines, shipping)
        return Taxed()
    return terms.rules.taxes.apply(Taxable(lines, shipping, terms.to, now, step, terms.tax_id_is_valid))


def quote_order(
    items: Sequence[OrderedItem],
    products: Mapping[UUID, Product],
    now: datetime,
    *,
    asked: str | None,
    preferred: str,
    expected: Money | None = None,
    terms: Terms = NO_TERMS,
) -> Quote:
    """The quote for placing an order: every item has a price, and the prices are those that the customer expects.

    `asked` is the requested currency, `expected` the total that the customer was shown.
    Raises: ProductUnavailable, PriceChanged, OneCurrencyPerOrder, OrderTooLarge, PromotionUnusable, NoShippingThere,
    ShippingMethodUnavailable.
    """
    named = _named_currencies(items, asked, expected)
    found = quote(items, products, now, currency=min(named, default=None), preferred=preferred, terms=terms)
    if found.unpriced or len(named) > 1:
        raise _not_orderable(found, items, products, now, named)
    if found.problems:
        raise found.problems[0]
    _check_expected(items, found, expected)
    if found.total > MAX_AMOUNT:
        raise OrderTooLarge(total=found.total, most=MAX_AMOUNT)
    return found


def quote_with_problems(
    items: Sequence[OrderedItem],
    products: Mapping[UUID, Product],
    now: datetime,
    *,
    asked: str | None,
    preferred: str,
    terms: Terms = NO_TERMS,
) -> tuple[Quote, Sequence[Problem]]:
    """The quote of the items that have a price, and what `quote_order` would raise for all of them."""
    named = _named_currencies(items, asked, None)
    found = quote(items, products, now, currency=min(named, default=None), preferred=preferred, terms=terms)
    problems = list(found.problems)
    if found.unpriced or len(named) > 1:
        problems.insert(0, _not_orderable(found, items, products, now, named))
    if found.total > MAX_AMOUNT:
        problems.append(OrderTooLarge(total=found.total, most=MAX_AMOUNT))
    return found, problems


def _common_currency(items: Sequence[Item], products: Mapping[UUID, Product], now: datetime, preferred: str) -> str:
    """A currency in which every item that has any price has one; `preferred` if there is no such currency."""
    possible = []
    for item in items:
        product = products.get(item.product_id)
        if product and product.orderable and (currencies := product.currencies(item.quantity, now)):
            possible.append(currencies)
    shared = set.intersection(*possible) if possible else set()
    return preferred if preferred in shared else min(shared, default=preferred)


def _named_currencies(items: Sequence[OrderedItem], asked: str | None, expected: Money | None) -> set[str]:
    prices = [expected, *(price for item in items for price in (item.agreed_unit_price, item.expected_unit_price))]
    return {price.currency for price in prices if price} | ({asked} if asked else set())


def _not_orderable(
    found: Quote, items: Sequence[Item], products: Mapping[UUID, Product], now: datetime, named: Set[str]
) -> Problem:
    """The reason why the items can't be ordered. An unknown product may be new: then a retry soon can succeed."""
    unavailable = [each._asdict() for each in found.unpriced if each.reason != NO_PRICE]
    if unavailable:
        is_new = any(each["reason"] == "unknown" for each in unavailable)
        return ProductUnavailable(lines=unavailable, retry_after=1 if is_new else None)
    if len(named) > 1:
        return OneCurrencyPerOrder()
    if not named and all(products[item.product_id].currencies(item.quantity, now) for item in items):
        return OneCurrencyPerOrder()
    return ProductUnavailable(lines=[each._asdict() for each in found.unpriced])


def _check_expected(items: Sequence[OrderedItem], found: Quote, expected: Money | None) -> None:
    """Raises: PriceChanged."""
    changed = [
        {
            "line": line.position,
            "product_id": item.product_id,
            "expected_unit_price": item.expected_unit_price,
            "unit_price": {"amount": line.unit_price, "currency": found.currency},
        }
        for item, line in zip(items, found.lines, strict=True)
        if item.expected_unit_price and item.expected_unit_price.amount != line.unit_price
    ]
    if changed or (expected and expected.amount != found.total):
        total = {"amount": found.total, "currency": found.currency}
        raise PriceChanged(lines=changed, expected_total=expected, total=total)
