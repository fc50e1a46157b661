"""The pure rules behave like the model."""

import pytest

from tests.model.expected import STATUSES
from tests.model.machine import OrderMachine
from tests.model.profiles import LONG, SHORT, SHORTER, explore
from tests.model.pure import Pure


def test_the_rules_behave_like_the_model() -> None:
    coverage = explore(Pure, SHORT, OrderMachine)
    assert coverage.steps >= 500


def test_the_rules_behave_like_the_model_with_returns() -> None:
    coverage = explore(Pure, SHORTER)
    assert {"returned", "completed"} <= coverage.statuses


@pytest.mark.long
def test_the_rules_behave_like_the_model_for_long() -> None:
    coverage = explore(Pure, LONG)
    assert coverage.steps >= 5000
    assert coverage.statuses == STATUSES, "the machine must reach every status"
