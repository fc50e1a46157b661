"""The price paid for some pieces of a line: shares that add up to its total, however the pieces are divided."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Protocol

from order_service.pricing.quotes import LineAmounts, line_total
from service_kit.iso_codes import smallest_charge


class Line(LineAmounts, Protocol):
    """A line of an order, by its position from 1."""

    position: int


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two integers that aren't negative, rounded to the nearest one, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def share(total: int, pieces: int, of: int, step: int = 1) -> int:
    """The price of the first `pieces` of `of` pieces, which cost `total`: a multiple of `step`, or `total` itself.

    The pieces after the first `r` up to the first `k` cost `share(k) - share(r)`, which is never negative. So the parts
    add up to `total` whatever the parts are.
    """
    if pieces >= of:
        return total
    return min(total, half_up(total * pieces, of * step) * step)


def paid_for(lines: Iterable[Line], pieces: Mapping[int, int], before: Mapping[int, int], currency: str) -> int:
    """What was paid for `pieces` of each line, by position, whose first `before` pieces were refunded already."""
    step = smallest_charge(currency)
    paid = 0
    for line in lines:
        if wanted := pieces.get(line.position, 0):
            first, total = before.get(line.position, 0), line_total(line)
            paid += share(total, first + wanted, line.quantity, step) - share(total, first, line.quantity, step)
    return paid


def price_per_piece(line: LineAmounts) -> Fraction:
    """What was paid for one piece on average."""
    return Fraction(line_total(line), line.quantity)
