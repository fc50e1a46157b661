"""The lines and the shipping of a quote, and the amounts that an order stores of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from order_service.catalogue.models import NO_FACTS, Facts


class LineAmounts(Protocol):
    """The amounts of a line, of a quote or as an order has stored them."""

    @property
    def quantity(self) -> int: ...
    @property
    def unit_price(self) -> int: ...
    @property
    def discount(self) -> int: ...
    @property
    def tax(self) -> int: ...
    @property
    def total(self) -> int | None: ...


def line_total(line: LineAmounts) -> int:
    """What the customer pays for the line. Lines that were stored before totals were have taxes on top of their price.
    `orders/queries.py` states the same in SQL."""
    if line.total is not None:
        return line.total
    return line.unit_price * line.quantity - line.discount + line.tax


@dataclass(slots=True)
class QuoteLine:
    """An item with its price; `position` counts from 1. `list_price` is the catalogue's price, which differs from
    `unit_price` if a price was agreed.

    `discount`, `tax` and `total` are the amounts for the whole quantity; `tax_rate` is in parts per million.
    """

    position: int
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: int
    agreed: bool = False
    list_price: int | None = None
    facts: Facts = NO_FACTS
    subtotal: int = 0
    """The price of the whole quantity before discounts, at the agreed price if there is one."""
    discount: int = 0
    tax: int = 0
    tax_rate: int = 0
    total: int = 0

    def __post_init__(self) -> None:
        self.subtotal = self.total = self.unit_price * self.quantity

    @property
    def price(self) -> int:
        """What discounts have left of the subtotal. It includes the tax where prices do."""
        return self.subtotal - self.discount

    @property
    def net(self) -> int:
        return self.total - self.tax


@dataclass(frozen=True, slots=True)
class TaxPart:
    """The part of an amount that is taxed at one rate (in parts per million)."""

    rate: int
    net: int
    tax: int


@dataclass(frozen=True, slots=True)
class ShippingMethodOffer:
    """A shipping method that an order can be sent by, and its price before promotions; `from_date` and `to_date` are
    the first and the last day on which it is expected to arrive."""

    id: UUID
    code: str
    name: str
    kind: str
    amount: int
    tax: str
    from_date: date
    to_date: date
    warehouse_id: UUID | None = None


@dataclass(slots=True)
class Shipping:
    """The price of the delivery by the chosen method; None: no method was chosen.

    `standard_amount` is the lowest price among the methods of delivery that were offered: a complete withdrawal gives
    back no more.
    """

    method: ShippingMethodOffer | None = None
    amount: int = 0
    discount: int = 0
    tax: int = 0
    total: int = 0
    standard_amount: int = 0
    taxes: Sequence[TaxPart] = ()

    @property
    def price(self) -> int:
        """What discounts have left of the amount. It includes the tax where prices do."""
        return self.amount - self.discount

    @property
    def net(self) -> int:
        return self.total - self.tax


SHIPPING = 0
"""The position of the shipping among the adjustments; lines count from 1."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a promotion takes off a line, or off the shipping."""

    promotion_id: UUID
    code: str | None
    position: int
    amount: int
