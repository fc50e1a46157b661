"""Tests of the state machine itself: a bug that is injected into the rules is found within seconds."""

import pytest

from tests.model.bugs import BUGS, OF_RETURNS, Plant
from tests.model.machine import OrderLife
from tests.model.profiles import HUNT, travel
from tests.model.pure import Pure
from tests.model.returning import GivingBack

PLACES = [*((plant, OrderLife) for plant in BUGS), *((plant, GivingBack) for plant in OF_RETURNS)]


@pytest.mark.parametrize(("plant", "life"), PLACES, ids=[plant.__name__ for plant, _ in PLACES])
def test_a_planted_bug_is_caught(plant: Plant, life: type[OrderLife], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        travel(Pure, HUNT, life)
