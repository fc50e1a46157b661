"""Calculates the price of a cart or an order, with one function for both, from its items and our copy of the catalogue.

Amounts are integers in the currency's minor unit.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from contracts.money import Money
from order_service.catalogue.models import Product
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


class LineAmounts(Protocol):
    """The amounts of a line, of a quote or as an order has stored them."""

    quantity: int
    unit_price: int
    discount: int
    tax: int


def line_total(line: LineAmounts) -> int:
    """What the customer pays for the line. `orders/queries.py` states the same in SQL."""
    return line.unit_price * line.quantity - line.discount + line.tax


@dataclass(slots=True)
class QuoteLine:
    """An item with its price; `position` counts from 1. `list_price` is the catalogue's price, which differs from
    `unit_price` if a price was agreed.

    `discount` and `tax` are the amounts for the whole quantity.
    """

    position: int
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: int
    agreed: bool = False
    list_price: int | None = None
    discount: int = 0
    tax: int = 0

    @property
    def list_amount(self) -> int:
        """The price of the whole quantity before the discount, at the agreed price if there is one."""
        return self.unit_price * self.quantity

    @property
    def net(self) -> int:
        return self.list_amount - self.discount

    @property
    def total(self) -> int:
        return line_total(self)


@dataclass(frozen=True, slots=True)
class Shipping:
    """The price of the delivery."""

    list_amount: int = 0
    discount: int = 0
    tax: int = 0

    @property
    def net(self) -> int:
        return self.list_amount - self.discount

    @property
    def total(self) -> int:
        return self.net + self.tax


FREE_SHIPPING = Shipping()


class Unpriced(NamedTuple):
    """An item that can't be bought, by its position from 1. `reason`: the product's status, `unknown` or `no-price`."""

    line: int
    product_id: UUID
    reason: str


@dataclass(frozen=True)
class Quote:
    """Each discount and tax belongs to a line or to the shipping, never to the order as a whole, so that the amount
    paid for a part of the order is always known. The total excludes `unpriced` items."""

    currency: str
    lines: Sequence[QuoteLine]
    unpriced: Sequence[Unpriced] = ()
    shipping: Shipping = FREE_SHIPPING

    @cached_property
    def total(self) -> int:
        return sum(map(line_total, self.lines)) + self.shipping.total

    def agreed_prices(self) -> list[dict[str, Any]]:
        """The lines with an agreed price, for the order's history."""
        return [
            {"line": line.position, "unit_price": line.unit_price, "list_price": line.list_price}
            for line in self.lines
            if line.agreed
        ]


def quote(
    items: Sequence[Item], products: Mapping[UUID, Product], now: datetime, *, currency: str | None, preferred: str
) -> Quote:
    """Prices of all items that have one.

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
        is_agreed, quantity = agreed is not None, item.quantity
        line = QuoteLine(position, product.id, product.sku, product.name, quantity, unit_price, is_agreed, list_price)
        lines.append(line)
    return Quote(currency, lines, unpriced)


def quote_order(
    items: Sequence[OrderedItem],
    products: Mapping[UUID, Product],
    now: datetime,
    *,
    asked: str | None,
    preferred: str,
    expected: Money | None = None,
) -> Quote:
    """The quote for placing an order: every item has a price, and the prices are those that the customer expects.

    `asked` is the requested currency, `expected` the total that the customer was shown.
    Raises: ProductUnavailable, PriceChanged, OneCurrencyPerOrder, OrderTooLarge.
    """
    named = _named_currencies(items, asked, expected)
    found = quote(items, products, now, currency=min(named, default=None), preferred=preferred)
    if found.unpriced or len(named) > 1:
        raise _not_orderable(found, items, products, now, named)
    _check_expected(items, found, expected)
    if found.total > MAX_AMOUNT:
        raise OrderTooLarge(total=found.total, most=MAX_AMOUNT)
    return found


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
