"""The schedule of faults and their targets, which depends only on the seed, the length and the chosen faults."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import inf
from random import Random

from tests.chaos.faults import FAULTS
from tests.chaos.faults.fault import Fault

FIRST = 4.0
"""Seconds without faults at the beginning, and at the end: orders that are placed then show the recovery."""
LAST = 8.0
PAUSE = (3.0, 9.0)
"""Seconds between the end of a fault and the next, which is often before the shop has recovered."""


@dataclass(frozen=True)
class PlannedFault:
    """`at` and `seconds` as planned; a fault that lasts longer delays the later ones, which keep a distance."""

    kind: str
    at: float
    parts: tuple[str, ...]
    seconds: float


def schedule(
    seed: int, seconds: float, only: Collection[str] = (), times: float = inf, lasting: float | None = None
) -> tuple[PlannedFault, ...]:
    """All faults, or `only` these, in rounds: each is scheduled once before any is repeated; `times` in all, and each
    `lasting` so many seconds, if it is given."""
    random = Random(seed)
    found: list[PlannedFault] = []
    at = FIRST
    for fault in _dealt(random, sorted(only or FAULTS)):
        planned = _plan_fault(random, fault, at)
        if lasting is not None:
            planned = replace(planned, seconds=lasting)
        if planned.at + planned.seconds > seconds - LAST or len(found) == times:
            return tuple(found)
        found.append(planned)
        at = round(at + planned.seconds + random.uniform(*PAUSE), 1)
    return tuple(found)


def _dealt(random: Random, names: list[str]) -> Iterator[Fault]:
    while True:
        yield from (FAULTS[name] for name in random.sample(names, len(names)))


def _plan_fault(random: Random, fault: Fault, at: float) -> PlannedFault:
    parts = random.sample(fault.targets, random.randint(*fault.at_once))
    return PlannedFault(fault.name, at, tuple(parts), round(random.uniform(*fault.seconds), 1))
