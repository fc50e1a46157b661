"""Which fault comes when, and to whom: the same for the same seed, length and choice."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import inf
from random import Random

from tests.chaos.faults import FAULTS
from tests.chaos.faults.fault import Fault

FIRST = 4.0
"""Seconds of peace at the beginning, and at the end: recovery is seen by the orders that are still placed then."""
LAST = 8.0
PAUSE = (3.0, 9.0)
"""Between the end of a fault and the next: often sooner than the shop has recovered."""


@dataclass(frozen=True)
class Strike:
    """`at` and `seconds` as planned; one that lasts longer delays those after it, which keep a distance."""

    kind: str
    at: float
    parts: tuple[str, ...]
    seconds: float


def schedule(
    seed: int, seconds: float, only: Collection[str] = (), times: float = inf, lasting: float | None = None
) -> tuple[Strike, ...]:
    """All faults, or `only` these, dealt like cards: each comes once before any comes again; `times` in all, and each
    `lasting` so many seconds where that is said."""
    random = Random(seed)
    found: list[Strike] = []
    at = FIRST
    for fault in _dealt(random, sorted(only or FAULTS)):
        strike = _strike(random, fault, at)
        if lasting is not None:
            strike = replace(strike, seconds=lasting)
        if strike.at + strike.seconds > seconds - LAST or len(found) == times:
            return tuple(found)
        found.append(strike)
        at = round(at + strike.seconds + random.uniform(*PAUSE), 1)
    return tuple(found)


def _dealt(random: Random, names: list[str]) -> Iterator[Fault]:
    while True:
        yield from (FAULTS[name] for name in random.sample(names, len(names)))


def _strike(random: Random, fault: Fault, at: float) -> Strike:
    parts = random.sample(fault.victims, random.randint(*fault.at_once))
    return Strike(fault.name, at, tuple(parts), round(random.uniform(*fault.seconds), 1))
