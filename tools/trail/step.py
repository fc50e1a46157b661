"""One line of a trail, and the format of durations."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

# Steps that happen at a scheduled time, not as the result of work, and what they wait for.
BY_THE_CLOCK = {"emitted reservation.expired": "the reservation's end"}


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waited for, and how long."""

    what: str
    time: timedelta

    @classmethod
    def since(cls, start: datetime | None, end: datetime, what: str) -> "Wait | None":
        """None if the start is not known. Never negative, though clocks differ in precision."""
        return None if start is None else cls(what, max(end - start, timedelta(0)))

    def __str__(self) -> str:
        return f"{self.what} {duration(self.time)}"


class Kind(Enum):
    """Steps at the same time are sorted in the order of their kinds."""

    CONSUMED = auto()
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
    trace_id: str | None = None


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Sorts by time. An event is shown to have waited since the last work of the service that emitted it."""
    found: list[Step] = []
    worked: dict[str, datetime] = {}
    for step in sorted(steps, key=lambda step: (step.at, step.kind.value)):
        if step.kind in (Kind.CONSUMED, Kind.DONE):
            worked[step.service] = step.at
        if step.kind is Kind.EMITTED and step.wait is None:
            work = BY_THE_CLOCK.get(step.what, f"{step.service}'s work")
            found.append(replace(step, wait=Wait.since(worked.get(step.service), step.at, work)))
        else:
            found.append(step)
    return found


def duration(time: timedelta) -> str:
    """The duration in a suitable unit: `3 ms`, `2.1 s`, `14 min`, `3.0 h`."""
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
