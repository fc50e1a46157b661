"""What is printed on an invoice, as a pure function of the order. Amounts are integers in the minor unit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

import iso4217

from order_service.pricing.arithmetic import MILLION, half_up
from order_service.pricing.lines import line_total
from order_service.pricing.tax import TaxNote

NOTES = {
    TaxNote.REVERSE_CHARGE: "Reverse charge: no tax is charged. The customer accounts for it"
    " (Directive 2006/112/EC, Articles 138 and 226).",
    TaxNote.NONE: "No tax is charged in this country.",
}


@dataclass(frozen=True, slots=True)
class Seller:
    name: str
    address: Sequence[str]
    tax_id: str


@dataclass(slots=True)
class InvoicedLine:
    """A line of an order, with the columns of `orders.models.OrderLine`."""

    order_id: UUID
    position: int
    sku: str
    name: str
    quantity: int
    unit_price: int
    discount: int
    tax: int
    tax_rate: int
    total: int | None


class SettledRefund(NamedTuple):
    """A refund that has succeeded. `pieces` as in `payments.models.Refund`."""

    id: UUID
    amount: int
    pieces: Sequence[Mapping[str, int]] | None


@dataclass(frozen=True, slots=True)
class InvoicedOrder:
    """An order with all that its invoice and credit notes need. `refunds`: those that have succeeded, in the order's
    currency, the earliest first."""

    id: UUID
    number: int
    customer_id: UUID
    currency: str
    total: int
    captured: int
    prices_include_tax: bool
    shipping: Mapping[str, Any] | None
    tax_note: str | None
    tax_id: str | None
    bill_to: Mapping[str, Any] | None
    ship_to: Mapping[str, Any]
    created_at: datetime
    refunds: Sequence[SettledRefund]
    lines: Sequence[InvoicedLine] = ()

    @property
    def recipient(self) -> dict[str, Any]:
        """The personal data of its invoice, which is kept apart from the rest."""
        return {"bill_to": self.bill_to or self.ship_to, "ship_to": self.ship_to, "tax_id": self.tax_id}


class Amount(NamedTuple):
    """An amount with its tax."""

    total: int = 0
    tax: int = 0

    @property
    def net(self) -> int:
        return self.total - self.tax

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.total + other.total, self.tax + other.tax)

    def minus(self, other: "Amount") -> "Amount":
        return Amount(self.total - other.total, self.tax - other.tax)

    @property
    def can_be_left(self) -> bool:
        """Whether a part of an invoice with this amount may remain: nothing in it is negative."""
        return self.tax >= 0 and self.net >= 0


class RateAmounts(dict[int, Amount]):
    """Amounts by tax rate, in parts per million."""

    @classmethod
    def of(cls, parts: Iterable[tuple[int, Amount]]) -> Self:
        found: defaultdict[int, Amount] = defaultdict(Amount)
        for rate, amount in parts:
            found[rate] = found[rate].plus(amount)
        return cls(sorted(found.items(), reverse=True))

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """Those of an invoice or a credit note that was issued."""
        return cls.of((each["rate"], Amount(each["total"], each["tax"])) for each in content["taxes"])

    def less(self, other: "RateAmounts") -> "RateAmounts":
        rates = {**self, **other}
        return RateAmounts({rate: self.get(rate, Amount()).minus(other.get(rate, Amount())) for rate in rates})

    @property
    def whole(self) -> Amount:
        return Amount(sum(each.total for each in self.values()), sum(each.tax for each in self.values()))

    def rows(self) -> list[dict[str, int]]:
        return [{"rate": rate, **amounts(each)} for rate, each in self.items()]


def amounts(of: Amount) -> dict[str, int]:
    return {"net": of.net, "tax": of.tax, "total": of.total}


def invoice_content(order: InvoicedOrder, seller: Seller, supplied_at: datetime) -> dict[str, Any]:
    """The content of an order's invoice. `supplied_at`: when it was paid or dispatched."""
    parts = [*((line.tax_rate, Amount(line_total(line), line.tax)) for line in order.lines), *_shipping_parts(order)]
    by_rate = RateAmounts.of(parts)
    return {
        **heading(order, seller),
        "supplied_on": supplied_at.date().isoformat(),
        "lines": [_line(line) for line in order.lines],
        "shipping": _shipping(order),
        "taxes": by_rate.rows(),
        **amounts(by_rate.whole),
    }


def heading(order: InvoicedOrder, seller: Seller) -> dict[str, Any]:
    """What invoices and credit notes of an order have in common."""
    return {
        "seller": {"name": seller.name, "address": list(seller.address), "tax_id": seller.tax_id},
        "order_number": str(order.number),
        "ordered_on": order.created_at.date().isoformat(),
        "currency": order.currency,
        "exponent": iso4217.Currency(order.currency).exponent or 0,
        "prices_include_tax": order.prices_include_tax,
        "note": NOTES[TaxNote(order.tax_note)] if order.tax_note else None,
    }


def _line(line: InvoicedLine) -> dict[str, Any]:
    return {
        "position": line.position,
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "discount": line.discount,
        "rate": line.tax_rate,
        **amounts(Amount(line_total(line), line.tax)),
    }


def _shipping(order: InvoicedOrder) -> dict[str, Any] | None:
    if not order.shipping:
        return None
    named = {name: order.shipping[name] for name in ("name", "amount", "discount")}
    rates = [rate for rate, _ in _shipping_parts(order)]
    amount = Amount(order.shipping["total"], order.shipping["tax"])
    return {**named, "rates": rates, **amounts(amount)}


def _shipping_parts(order: InvoicedOrder) -> list[tuple[int, Amount]]:
    """The shipping by tax rate. An order that was recovered from its events has no rates: then it is what the tax is
    of the net price."""
    shipping = order.shipping
    if not shipping or not shipping["total"]:
        return []
    taxes = shipping["taxes"]
    if taxes:
        return [(each["rate"], Amount(each["net"] + each["tax"], each["tax"])) for each in taxes]
    rate = half_up(shipping["tax"] * MILLION, shipping["net"]) if shipping["net"] else 0
    return [(rate, Amount(shipping["total"], shipping["tax"]))]
