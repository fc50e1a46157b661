"""The price paid for parts of a line: shares that add up to its total."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_service.pricing.arithmetic import half_up, share
from order_service.pricing.shares import paid_for
from service_kit.iso_codes import CURRENCIES, smallest_charge

TOTALS = st.integers(0, 10**12)
STEPS = st.sampled_from([1, 10])


@st.composite
def partitions(draw: st.DrawFn, most: int = 60) -> list[int]:
    """A number of pieces, divided into parts that are refunded one after the other."""
    left, parts = draw(st.integers(1, most)), []
    while left:
        parts.append(draw(st.integers(1, left)))
        left -= parts[-1]
    return parts


@given(total=TOTALS, parts=partitions(), step=STEPS)
def test_any_partition_adds_up_to_the_whole(total: int, parts: list[int], step: int) -> None:
    of, before, shares = sum(parts), 0, []
    for pieces in parts:
        shares.append(share(total, before + pieces, of, step) - share(total, before, of, step))
        before += pieces
    assert sum(shares) == total
    assert min(shares) >= 0
    assert all(each % step == 0 for each in shares) or total % step


@given(total=TOTALS, of=st.integers(1, 10**6), step=STEPS, data=st.data())
def test_a_share_is_rounded_by_half_a_step_at_most(total: int, of: int, step: int, data: st.DataObject) -> None:
    pieces = data.draw(st.integers(0, of))
    found = share(total, pieces, of, step)
    assert 0 <= found <= total
    assert abs(2 * (found * of - total * pieces)) <= step * of


@given(unit_price=st.integers(0, 10**6), of=st.integers(1, 1000), data=st.data())
def test_without_discount_and_tax_a_share_is_the_unit_price(unit_price: int, of: int, data: st.DataObject) -> None:
    pieces = data.draw(st.integers(0, of))
    assert share(unit_price * of, pieces, of) == unit_price * pieces


@given(numerator=st.integers(0, 10**9), denominator=st.integers(1, 10**6))
def test_half_up_rounds_to_the_nearest_integer(numerator: int, denominator: int) -> None:
    """If two integers are equally near, it rounds to the greater one."""
    found = half_up(numerator, denominator)
    assert -denominator < 2 * (numerator - found * denominator) < denominator or (
        2 * (found * denominator - numerator) == denominator
    )


def line(quantity: int, unit_price: int, discount: int = 0, tax: int = 0) -> Any:
    return SimpleNamespace(position=1, quantity=quantity, unit_price=unit_price, discount=discount, tax=tax, total=None)


@pytest.mark.parametrize(
    ("bought", "currency", "expected"),
    [
        (line(7, 143, discount=100), "GBP", [129, 128, 129, 129, 129, 128, 129]),
        (line(2, 10_000, discount=2_000, tax=1_800), "GBP", [9_900, 9_900]),
        (line(2, 1249, discount=700), "GBP", [899, 899]),
        (line(3, 1980, discount=891), "JPY", [1683, 1683, 1683]),
        (line(3, 1000, discount=1000), "KWD", [670, 660, 670]),
        (line(3, 1005), "KWD", [1010, 1000, 1005]),
        (line(2, 100, discount=200), "GBP", [0, 0]),
    ],
)
def test_pieces_that_are_refunded_one_by_one_add_up(bought: Any, currency: str, expected: list[int]) -> None:
    found = [paid_for([bought], {1: 1}, {1: before}, currency) for before in range(bought.quantity)]
    assert found == expected
    assert sum(found) == paid_for([bought], {1: bought.quantity}, {}, currency)


def test_more_pieces_than_a_line_has_cost_no_more_than_the_line() -> None:
    assert paid_for([line(3, 100)], {1: 5}, {1: 1}, "GBP") == 200


def test_only_currencies_with_three_decimals_are_charged_in_tens() -> None:
    assert {each for each in CURRENCIES if smallest_charge(each) != 1} == {
        "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"
    }  # fmt: skip
