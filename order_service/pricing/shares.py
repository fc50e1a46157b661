"""The price paid for some pieces of a line: shares that add up to its total, however the pieces are divided."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Protocol

from order_service.pricing.arithmetic import share
from order_service.pricing.lines import LineAmounts, line_total
from service_kit.iso_codes import smallest_charge


class Line(LineAmounts, Protocol):
    """A line of an order, by its position from 1."""

    position: int


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
