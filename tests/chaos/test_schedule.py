"""A seed determines the schedule: it can be repeated, contains every fault, and ends without faults."""

from itertools import pairwise

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.schedule import FIRST, LAST, PAUSE, schedule

SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_repeats_its_schedule(seed: int) -> None:
    assert schedule(seed, 600) == schedule(seed, 600)


def test_seeds_differ() -> None:
    assert len({schedule(seed, 600) for seed in SEEDS}) == len(SEEDS)


def test_a_longer_run_begins_with_the_faults_of_a_shorter_one() -> None:
    short, long = schedule(7, 120), schedule(7, 600)
    assert 0 < len(short) < len(long)
    assert long[: len(short)] == short


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_do_not_overlap_and_a_run_begins_and_ends_without_faults(seed: int) -> None:
    planned_faults = schedule(seed, 600)
    assert planned_faults[0].at == FIRST
    for one, next in pairwise(planned_faults):
        assert PAUSE[0] - 0.1 <= next.at - one.at - one.seconds <= PAUSE[1] + 0.1
    assert planned_faults[-1].at + planned_faults[-1].seconds <= 600 - LAST


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_is_scheduled_with_all_its_targets(seed: int) -> None:
    planned_faults = schedule(seed, 600)
    assert {planned.kind for planned in planned_faults[: len(FAULTS)]} == set(FAULTS)
    for planned in planned_faults:
        fault = FAULTS[planned.kind]
        assert set(planned.parts) <= set(fault.targets)
        assert fault.at_once[0] <= len(set(planned.parts)) == len(planned.parts) <= fault.at_once[1]
        assert fault.seconds[0] <= planned.seconds <= fault.seconds[1]


def test_only_chosen_faults_are_scheduled() -> None:
    assert {planned.kind for planned in schedule(1, 600, ["kill-broker"])} == {"kill-broker"}
    assert schedule(1, 600, ["kill-broker", "broker-away"]) == schedule(1, 600, ["broker-away", "kill-broker"])


def test_too_short_a_run_has_no_fault() -> None:
    assert schedule(1, FIRST) == ()
