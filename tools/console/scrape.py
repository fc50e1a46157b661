"""The samples of a service's `/metrics` that the console uses, and the increases of its counters."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

NAMES = (
    "http_requests_total", "http_request_duration_seconds_bucket", "order_decision_seconds_bucket",
    "event_age_seconds_bucket", "events_published_total", "events_consumed_total", "outbox_backlog",
    "outbox_oldest_seconds", "dead_letters", "retry_queue_events", "orders_total", "orders_stuck", "app_info",
)  # fmt: skip
# Requests of operators and of the console itself are no customer's.
OPERATIONS = ("/health/", "/metrics")


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, label: str) -> str:
        return dict(self.labels).get(label, "")


Values = Mapping[Series, float]


def parse(text: str) -> Values:
    """Only the lines with `NAMES` are parsed: most of the text is other metrics, and parsing is slow."""
    lines = [line for line in text.splitlines() if line.startswith(NAMES)]
    found = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if not sample.labels.get("route", "").startswith(OPERATIONS):
                found[Series(sample.name, tuple(sorted(sample.labels.items())))] = sample.value
    return found


def total(values: Values, name: str) -> float:
    return sum(value for series, value in values.items() if series.name == name)


def largest(values: Values, name: str) -> float | None:
    """For what each process of a service reports for all of them. None if it has no such metric (yet)."""
    return max((value for series, value in values.items() if series.name == name), default=None)


class Counters:
    """The increases of one service's counters over the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before: tuple[float, Values] | None = None
        self._increases: deque[tuple[float, float, Values]] = deque()
        """Each: the time, the seconds since the scrape before it, and what has increased in between."""

    def add(self, at: float, values: Values) -> None:
        """A counter that is lower than before belongs to a new process, which began with 0."""
        if self._before is not None:
            then, before = self._before
            increases = {
                series: value - before.get(series, 0) if value >= before.get(series, 0) else value
                for series, value in values.items()
                if value != before.get(series, 0)
            }
            self._increases.append((at, at - then, increases))
        self._before = (at, values)
        while self._increases and self._increases[0][0] <= at - self._seconds:
            self._increases.popleft()

    def forget(self) -> None:
        """The service does not answer: there are no rates until it was scraped again."""
        self._increases.clear()

    def rate(self, name: str, where: Callable[[Series], bool] = lambda _: True, ticks: int = 1) -> float | None:
        """Per second, over the last `ticks` scrapes. None before the second scrape."""
        last = list(self._increases)[-ticks:]
        seconds = sum(passed for _, passed, _ in last)
        if not seconds:
            return None
        return sum(
            value
            for _, _, increases in last
            for series, value in increases.items()
            if series.name == name and where(series)
        ) / seconds  # fmt: skip

    def buckets(self, name: str) -> dict[float, float]:
        """How many observations were at most each bound, over all increases and all other labels."""
        found: dict[float, float] = {}
        for _, _, increases in self._increases:
            for series, value in increases.items():
                if series.name == f"{name}_bucket":
                    bound = float(series["le"])
                    found[bound] = found.get(bound, 0) + value
        return found


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """As Prometheus estimates it: evenly distributed within a bucket. None without observations."""
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank = share * buckets[bounds[-1]]
    for below, bound in pairwise([0.0, *bounds]):
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return below
            before = buckets.get(below, 0.0)
            within = buckets[bound] - before
            return below + (bound - below) * ((rank - before) / within if within else 1)
    return None
