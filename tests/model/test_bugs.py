"""Tests of the state machine itself: a bug that is injected into the rules is found within seconds."""

import pytest

from tests.model.bugs import BUGS, RETURN_BUGS, Bug
from tests.model.machine import OrderMachine
from tests.model.profiles import FIND_BUG, explore
from tests.model.pure import Pure
from tests.model.returns import ReturnMachine

CASES = [*((bug, OrderMachine) for bug in BUGS), *((bug, ReturnMachine) for bug in RETURN_BUGS)]


@pytest.mark.parametrize(("bug", "machine"), CASES, ids=[bug.__name__ for bug, _ in CASES])
def test_an_injected_bug_is_found(bug: Bug, machine: type[OrderMachine], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        explore(Pure, FIND_BUG, machine)
