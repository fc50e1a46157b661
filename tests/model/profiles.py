"""Settings of the state machine. Short runs are deterministic; long ones are random."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.driver import Driver
from tests.model.machine import OrderMachine
from tests.model.returns import ReturnMachine

_ANY = settings(
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
SHORT = settings(_ANY, derandomize=True, max_examples=100, stateful_step_count=50)
SHORTER = settings(SHORT, max_examples=30)
LONG = settings(_ANY, max_examples=500, stateful_step_count=60)
API = settings(_ANY, derandomize=True, max_examples=6, stateful_step_count=50)
API_LONG = settings(_ANY, max_examples=30, stateful_step_count=50)
FIND_BUG = settings(_ANY, derandomize=True, max_examples=1500, stateful_step_count=50, phases=[Phase.generate])
"""For an injected bug: the search ends with the first failure."""


@dataclass
class Coverage:
    steps: int = 0
    statuses: set[str] = field(default_factory=set)
    """All statuses that orders have had."""

    def record(self, statuses: set[str]) -> None:
        self.steps += 1
        self.statuses |= statuses


def explore(driver: Callable[[], Driver], how_far: settings, machine: type[OrderMachine] = ReturnMachine) -> Coverage:
    """Runs the state machine, with or without returns. Raises: AssertionError, if the model is violated."""
    coverage = Coverage()

    class Machine(machine):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(driver(), coverage.record)

    run_state_machine_as_test(Machine, settings=how_far)
    return coverage
