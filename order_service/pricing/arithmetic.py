"""Arithmetic on amounts of money: integers in the minor unit, rounded once and divided without a remainder.

Rates are in parts per million (20 % is 200,000). `step` is the smallest amount that can be charged in a currency.
"""

from collections.abc import Sequence

MILLION = 1_000_000


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two integers that aren't negative, rounded to the nearest one, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def part(amount: int, rate: int, step: int = 1) -> int:
    """`rate` of `amount`, rounded half up to a multiple of `step`."""
    return half_up(amount * rate, MILLION * step) * step


def share(total: int, pieces: int, of: int, step: int = 1) -> int:
    """The price of the first `pieces` of `of` pieces, which cost `total`: a multiple of `step`, or `total` itself.

    The pieces after the first `r` up to the first `k` cost `share(k) - share(r)`, which is never negative. So the parts
    add up to `total` whatever the parts are.
    """
    if pieces >= of:
        return total
    return min(total, half_up(total * pieces, of * step) * step)


def split(total: int, weights: Sequence[int], step: int = 1) -> list[int]:
    """Divides `total` in proportion to the weights, by the largest remainder (of two equal ones, the earlier).

    The parts are multiples of `step` if `total` and the weights are, and add up to `total`. No part is above its weight
    if `total` is not above their sum; a weight of 0 gets nothing. Raises: ZeroDivisionError, if all weights are 0.
    """
    whole = sum(weights)
    if len(weights) == 1 and whole:
        return [total]
    units = total // step
    parts = [units * weight // whole for weight in weights]
    missing = units - sum(parts)
    if missing:
        by_remainder = sorted(range(len(weights)), key=lambda n: (-(units * weights[n] % whole), n))
        for n in by_remainder[:missing]:
            parts[n] += 1
    amounts = [each * step for each in parts]
    if rest := total - units * step:
        amounts[max(range(len(weights)), key=lambda n: (weights[n], -n))] += rest
    return amounts
