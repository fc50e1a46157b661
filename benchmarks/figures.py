"""Figures with their spread, and rounds in which the compared measures alternate."""

import os
import statistics
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.low)}–{_short(self.high)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Row:
    """A row of the table: a figure, and the one that it is compared with in the same run."""

    what: str
    measured: Spread
    unit: str
    beside: str = ""
    limit: Spread | None = None
    ratio: Spread | None = None
    """The ratio in each round, so that a slowdown of the machine affects both sides."""


@dataclass
class Result:
    """The result of one case. `figures`: keys of the JSON; `series`: the data of the pictures."""

    figures: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)


Measured = TypeVar("Measured")
Name = TypeVar("Name", bound=Hashable)
Measure = Callable[[], Awaitable[float]]


async def take_turns(
    measures: Mapping[Name, Callable[[], Awaitable[Measured]]], rounds: int = ROUNDS
) -> dict[Name, list[Measured]]:
    """Runs each measure once per round, after a warm-up round. The first one to run changes with each round."""
    names = list(measures)
    found: dict[Name, list[Measured]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            value = await measures[name]()
            if number:
                found[name].append(value)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])


@dataclass(frozen=True)
class Latencies:
    """Latencies in milliseconds, by round."""

    rounds: Sequence[Sequence[float]]

    def percentile(self, percent: int) -> Spread:
        """The percentile of each round, with the spread over the rounds."""
        return Spread.of(self.by_round(percent))

    def by_round(self, percent: int) -> list[float]:
        return [sorted(each)[min(len(each) - 1, len(each) * percent // 100)] for each in self.rounds]

    def figures(self) -> dict[str, float]:
        return {f"p{percent}": round(self.percentile(percent).median, 1) for percent in (50, 99)}

    def rows(self, what: str, wanted: Mapping[int, float]) -> list[Row]:
        """`wanted`: the upper limit in milliseconds for a percentile."""
        rows = []
        for percent in (50, 99):
            beside = ("wanted at most", Spread.of([wanted[percent]])) if percent in wanted else ()
            rows.append(Row(f"{what}, p{percent}", self.percentile(percent), "ms", *beside))
        return rows

    def samples(self, most: int = 500) -> list[float]:
        """A sample of all latencies, in ascending order."""
        every = sorted(sample for each in self.rounds for sample in each)
        return every[:: len(every) // most + 1]
