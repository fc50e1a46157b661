"""Which part of a refund is tax, and at which rate. Everything here is pure.

What an order came to is divided into parts, one for each tax rate. Refunds are taken off the parts in the order of
time, and never more than is left; the refund that takes the rest takes exactly the tax that is left. So whatever
becomes of an order, the taxes of its refunds never exceed its own, and come to them if all of it is refunded.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from order_service.pricing.arithmetic import half_up, share, split
from service_kit.iso_codes import smallest_charge


class Taken(NamedTuple):
    """A part of a refund that is taxed at one rate; `gross` contains the tax."""

    rate: int
    gross: int
    tax: int


class Parts:
    """Amounts by tax rate, of which refunds take until nothing is left."""

    def __init__(self, parts: Sequence[Taken]) -> None:
        self._gross: Counter[int] = Counter()
        self._tax: Counter[int] = Counter()
        for rate, gross, tax in parts:
            self._gross[rate] += gross
            self._tax[rate] += tax

    @property
    def gross(self) -> int:
        return self._gross.total()

    def take(self, amount: int) -> list[Taken]:
        """Takes so much, at most what is left, off all parts in proportion to what is left of them."""
        rates = sorted(rate for rate, gross in self._gross.items() if gross)
        if not rates or amount <= 0:
            return []
        divided = split(min(amount, self.gross), [self._gross[rate] for rate in rates])
        return [self._take(rate, gross) for rate, gross in zip(rates, divided, strict=True) if gross]

    def take_of(self, wanted: Taken) -> Taken:
        """Takes this part, or what is left of it."""
        left, gross = self._gross[wanted.rate], min(wanted.gross, self._gross[wanted.rate])
        if gross == left:
            return self._subtract(wanted.rate, gross, self._tax[wanted.rate])
        return self._subtract(wanted.rate, gross, min(wanted.tax, self._tax[wanted.rate]))

    def _take(self, rate: int, gross: int) -> Taken:
        return self._subtract(rate, gross, half_up(self._tax[rate] * gross, self._gross[rate]))

    def _subtract(self, rate: int, gross: int, tax: int) -> Taken:
        self._gross[rate] -= gross
        self._tax[rate] -= tax
        return Taken(rate, gross, tax)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order: `tax_rate` in parts per million, `tax` and `total` for all its pieces."""

    position: int
    quantity: int
    tax_rate: int
    tax: int
    total: int


@dataclass(frozen=True, slots=True)
class ShippingTax:
    rate: int
    net: int
    tax: int


@dataclass(frozen=True, slots=True)
class ReturnedPieces:
    position: int
    received: int


@dataclass(frozen=True, slots=True)
class ReceivedReturn:
    id: UUID
    lines: tuple[ReturnedPieces, ...]


@dataclass(frozen=True, slots=True)
class MoneyMoved:
    """A payment that succeeded (`is_refund` false), or a refund that did."""

    at: datetime
    amount: int
    is_refund: bool
    return_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RefundedOrder:
    """An order that was paid, with all that was received and refunded in its currency, in the order of time."""

    id: UUID
    currency: str
    country: str
    tax_note: str | None
    total: int
    paid_at: datetime
    lines: tuple[Line, ...]
    shipping_taxes: tuple[ShippingTax, ...]
    returns: tuple[ReceivedReturn, ...]
    moved: tuple[MoneyMoved, ...]

    def refunds(self) -> Iterator[tuple[datetime, list[Taken]]]:
        """The taxes of each refund, with its time.

        A refund before the order was paid, or of money beyond its total, such as a second payment, is no part of the
        sale, and has no tax. A refund for a return takes the taxes of the returned pieces; any other takes of all that
        is left, in proportion.
        """
        left, returned = self._parts(), self._returned()
        captured = 0
        for each in self.moved:
            if not each.is_refund or each.at < self.paid_at:
                captured += -each.amount if each.is_refund else each.amount
                continue
            amount = each.amount
            if each.return_id is None:
                beyond = min(amount, max(0, captured - self.total))
                captured -= beyond
                amount -= beyond
            taken: list[Taken] = []
            if each.return_id in returned:
                taken = [left.take_of(part) for part in returned[each.return_id].take(amount)]
                amount -= sum(part.gross for part in taken)
            yield each.at, [*taken, *left.take(amount)]

    def _parts(self) -> Parts:
        lines = [Taken(line.tax_rate, line.total, line.tax) for line in self.lines]
        shipping = [Taken(part.rate, part.net + part.tax, part.tax) for part in self.shipping_taxes]
        untaxed = self.total - sum(part.gross for part in [*lines, *shipping])
        return Parts([*lines, *shipping, Taken(0, untaxed, 0)])

    def _returned(self) -> dict[UUID | None, Parts]:
        """The shares of the pieces of each return, as `pricing.shares` has them."""
        lines = {line.position: line for line in self.lines}
        step = smallest_charge(self.currency)
        before: Counter[int] = Counter()
        found: dict[UUID | None, Parts] = {}
        for each in self.returns:
            parts = []
            for pieces in each.lines:
                line, first = lines[pieces.position], before[pieces.position]
                before[pieces.position] += pieces.received
                gross, tax = (
                    share(whole, first + pieces.received, line.quantity, unit)
                    - share(whole, first, line.quantity, unit)
                    for whole, unit in ((line.total, step), (line.tax, 1))
                )
                parts.append(Taken(line.tax_rate, gross, tax))
            found[each.id] = Parts(parts)
        return found


class Key(NamedTuple):
    """What a row of the report is about. `month` is that of the payment or the refund, in UTC, as `2026-11`."""

    month: str
    country: str
    currency: str
    rate: int
    tax_note: str | None
    kind: str


@dataclass(slots=True)
class Sums:
    gross: int = 0
    tax: int = 0

    def add(self, gross: int, tax: int) -> Self:
        self.gross += gross
        self.tax += tax
        return self
