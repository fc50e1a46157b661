"""What a new order costs: pure, from the lines that are wanted and the catalogue as we know it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from order_service.catalogue.models import Product, common_currency
from order_service.orders.schemas import MAX_AMOUNT, LineIn, Total
from service_kit.problems import Problem


class ProductUnavailable(Problem, status=409, type="product-unavailable"):
    """Some products can't be ordered; `lines` names each, and why."""


class PriceChanged(Problem, status=409, type="price-changed"):
    """The prices are not those that were expected: `total` is what the order comes to now, and `lines` names each line
    whose unit price is another."""


class OneCurrencyPerOrder(Problem, status=409, type="one-currency-per-order"):
    """The lines have no currency in common: order them apart."""


class OrderTooLarge(Problem, status=409, type="order-too-large"):
    """The order comes to {total}; the most is {most}, in the currency's minor unit."""


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with the price that it is ordered at. `list_price`: the catalogue's, where another was agreed."""

    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: int
    agreed: bool = False
    list_price: int | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    currency: str
    lines: Sequence[PricedLine]

    @property
    def total(self) -> int:
        return sum(line.quantity * line.unit_price for line in self.lines)

    def agreed_prices(self) -> list[dict[str, Any]]:
        """For the history: which lines were not priced by the catalogue."""
        return [
            {"line": position, "unit_price": line.unit_price, "list_price": line.list_price}
            for position, line in enumerate(self.lines, 1)
            if line.agreed
        ]


def price(
    wanted: Sequence[LineIn],
    products: Mapping[UUID, Product],
    now: datetime,
    *,
    asked: str | None,
    preferred: str,
    expected: Total | None = None,
) -> Priced:
    """Raises: ProductUnavailable, PriceChanged, OneCurrencyPerOrder, OrderTooLarge."""
    found = _orderable(wanted, products)
    currency = _currency(wanted, found, now, {asked, expected.currency} if expected else {asked}, preferred)
    lines = [_priced(line, product, currency, now) for line, product in zip(wanted, found, strict=True)]
    _refuse_unpriced(wanted, lines)
    priced = Priced(currency, [line for line in lines if line])
    _refuse_changed(wanted, priced, expected)
    if priced.total > MAX_AMOUNT:
        raise OrderTooLarge(total=priced.total, most=MAX_AMOUNT)
    return priced


def _orderable(wanted: Sequence[LineIn], products: Mapping[UUID, Product]) -> list[Product]:
    """Each line's product. One that we have not heard of may only be new: then it is worth trying again in a moment."""
    found, refused, any_unknown = [], [], False
    for position, line in enumerate(wanted, 1):
        product = products.get(line.product_id)
        if product is not None and product.orderable:
            found.append(product)
            continue
        reason = product.status if product else "unknown"
        any_unknown = any_unknown or product is None
        refused.append({"line": position, "product_id": line.product_id, "reason": reason})
    if refused:
        raise ProductUnavailable(lines=refused, retry_after=1 if any_unknown else None)
    return found


def _currency(
    wanted: Sequence[LineIn], products: Sequence[Product], now: datetime, asked: Set[str | None], preferred: str
) -> str:
    named = {currency for currency in asked if currency}
    for line in wanted:
        named |= {price.currency for price in (line.agreed_unit_price, line.expected_unit_price) if price}
    if len(named) > 1:
        raise OneCurrencyPerOrder
    if named:
        return named.pop()
    possible = [product.currencies(line.quantity, now) for line, product in zip(wanted, products, strict=True)]
    if not all(possible):
        return preferred  # a line without any price is refused by name
    currency = common_currency(possible, preferred)
    if currency is None:
        raise OneCurrencyPerOrder
    return currency


def _priced(line: LineIn, product: Product, currency: str, now: datetime) -> PricedLine | None:
    list_price = product.unit_price(line.quantity, currency, now)
    agreed = line.agreed_unit_price
    unit_price = agreed.amount if agreed else list_price
    if unit_price is None:
        return None
    return PricedLine(product.id, product.sku, product.name, line.quantity, unit_price, agreed is not None, list_price)


def _refuse_unpriced(wanted: Sequence[LineIn], lines: Sequence[PricedLine | None]) -> None:
    refused = [
        {"line": position, "product_id": line.product_id, "reason": "no-price"}
        for position, (line, priced) in enumerate(zip(wanted, lines, strict=True), 1)
        if priced is None
    ]
    if refused:
        raise ProductUnavailable(lines=refused)


def _refuse_changed(wanted: Sequence[LineIn], priced: Priced, expected: Total | None) -> None:
    changed = [
        {
            "line": position,
            "product_id": line.product_id,
            "expected_unit_price": line.expected_unit_price,
            "unit_price": {"amount": found.unit_price, "currency": priced.currency},
        }
        for position, (line, found) in enumerate(zip(wanted, priced.lines, strict=True), 1)
        if line.expected_unit_price and line.expected_unit_price.amount != found.unit_price
    ]
    if changed or (expected and expected.amount != priced.total):
        total = {"amount": priced.total, "currency": priced.currency}
        raise PriceChanged(lines=changed, expected_total=expected, total=total)
