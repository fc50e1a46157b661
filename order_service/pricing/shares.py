"""The price paid for some pieces of a line: shares that add up to its total, however the pieces are divided."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Protocol

from order_service.pricing.arithmetic import half_up, share
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


def tax_paid_for(line: Line, wanted: int, before: int, currency: str) -> int:
    """The tax in what was paid for `wanted` pieces of the line, whose first `before` pieces were refunded already.

    It is worked out of the price of all pieces so far, so that it is never above the price of these pieces, and the
    taxes of all pieces add up to the line's.
    """
    step, total = smallest_charge(currency), line_total(line)
    if not total:
        return 0
    taxes = [
        half_up(line.tax * share(total, pieces, line.quantity, step), total) for pieces in (before, before + wanted)
    ]
    return taxes[1] - taxes[0]


def price_per_piece(line: LineAmounts) -> Fraction:
    """What was paid for one piece on average."""
    return Fraction(line_total(line), line.quantity)
