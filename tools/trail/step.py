"""One line of a trail, and how spans of time are written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

# Emitted when a time has come, not as the end of somebody's work.
BY_THE_CLOCK = {"says reservation.expired": "the reservation's end"}


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waited for, and how long."""

    what: str
    time: timedelta

    @classmethod
    def since(cls, start: datetime | None, end: datetime, what: str) -> "Wait | None":
        """None where the start is not known. Clocks of different precision must not make it negative."""
        return None if start is None else cls(what, max(end - start, timedelta(0)))

    def __str__(self) -> str:
        return f"{self.what} {duration(self.time)}"


class Kind(Enum):
    """At the same moment, a step of an earlier kind comes first."""

    TAKEN = auto()
    DONE = auto()
    EMITTED = auto()
    PUBLISHED = auto()


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    service: str
    what: str
    wait: Wait | None = None
    kind: Kind = Kind.DONE


def in_order(steps: Iterable[Step]) -> list[Step]:
    """By time; and what a service said is told to have waited for the work that led to it."""
    found: list[Step] = []
    worked: dict[str, datetime] = {}
    for step in sorted(steps, key=lambda step: (step.at, step.kind.value)):
        if step.kind in (Kind.TAKEN, Kind.DONE):
            worked[step.service] = step.at
        if step.kind is Kind.EMITTED and step.wait is None:
            work = BY_THE_CLOCK.get(step.what, f"{step.service}'s work")
            found.append(replace(step, wait=Wait.since(worked.get(step.service), step.at, work)))
        else:
            found.append(step)
    return found


def duration(time: timedelta) -> str:
    """As exact as a person wants it: `3 ms`, `2.1 s`, `14 min`, `3.0 h`."""
    seconds = time.total_seconds()
    if seconds < 0.001:
        return "<1 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
