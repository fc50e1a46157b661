"""One line of a trail, and how spans of time are written."""

from dataclasses import dataclass
from datetime import datetime, timedelta


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


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    service: str
    what: str
    wait: Wait | None = None


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
