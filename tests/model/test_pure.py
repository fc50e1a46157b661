"""The pure rules behave like the model."""

import pytest

from tests.model.machine import OrderLife
from tests.model.profiles import LONG, SHORT, SHORTER, travel
from tests.model.promise import STATUSES
from tests.model.pure import Pure


def test_the_rules_keep_the_promise() -> None:
    journey = travel(Pure, SHORT, OrderLife)
    assert journey.steps >= 500


def test_the_rules_keep_the_promise_with_returns() -> None:
    journey = travel(Pure, SHORTER)
    assert {"returned", "completed"} <= journey.statuses


@pytest.mark.long
def test_the_rules_keep_the_promise_for_long() -> None:
    journey = travel(Pure, LONG)
    assert journey.steps >= 5000
    assert journey.statuses == STATUSES, "the machine goes everywhere"
