"""What is said of paired ratios."""

import pytest

from benchmarks.compare import interval


def test_the_confidence_interval_is_that_of_students_t() -> None:
    ratio, low, high = interval([1.1, 1 / 1.1, 1.1, 1 / 1.1, 1.1, 1 / 1.1])
    # log(1.1) is 0.09531; of six: a deviation of 0.10441, t = 2.571, and so a margin of 0.10959.
    assert ratio == pytest.approx(1)
    assert (low, high) == pytest.approx((1 / 1.1158, 1.1158), abs=0.002)


def test_equal_rounds_have_an_interval_of_zero_width() -> None:
    assert interval([1.02] * 5) == pytest.approx((1.02, 1.02, 1.02))
