"""The machine is tested too: a bug that is planted in the rules is found within seconds."""

import pytest

from tests.model.bugs import BUGS, Plant
from tests.model.profiles import HUNT, travel
from tests.model.pure import Pure


@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        travel(Pure, HUNT)
