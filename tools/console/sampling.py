"""One sample of the whole shop: the state of its parts, the flow of events, and a point for each line of the charts."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from contracts.topics import TOPICS
from local_stack.parts import KAFKA, SERVICES
from local_stack.shop import Shop
from tools.console.broker import Broker, Positions, Slow, Unreachable
from tools.console.health import Level, Report, Reports, healths, shown
from tools.console.scrape import Counters, Series, Values, largest, quantile, total

# Of the percentiles: with few requests, a shorter time would have none.
WINDOW_SECONDS = 30.0
# Of the rates in the flow: an average that can be read, though it changes every two seconds.
RATE_TICKS = 5
LATENCIES = {
    "requests": "http_request_duration_seconds",
    "decisions": "order_decision_seconds",
    "events": "event_age_seconds",
}
PERCENTILES = (50, 95, 99)
NAMES = tuple(service.name for service in SERVICES)


class Sampler:
    """Keeps connections, and the increases of counters between samples."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._reports = Reports(shop)
        self._broker = Broker(shop)
        self._counters = {name: Counters(WINDOW_SECONDS) for name in NAMES}

    async def sample(self) -> dict[str, Any]:
        states, positions, reports = await asyncio.gather(
            asyncio.to_thread(self._shop.states), self._positions(), self._all_reports()
        )
        if isinstance(positions, Positions):
            reports[KAFKA.name], found = Report("ok", "ready"), positions
        else:
            level: Level = "warning" if isinstance(positions, Slow) else "down"
            reports[KAFKA.name], found = Report(level, str(positions)), None
        at = time.time()
        values = {name: reports[name].values for name in NAMES}
        for name, its in values.items():
            if its is None:
                self._counters[name].forget()
            else:
                self._counters[name].add(at, its)
        return {
            "at": at,
            "parts": healths(self._shop, states, reports),
            "flow": self._flow(values, found),
            "totals": self._totals(values, found),
            "points": self._points(values, found),
        }

    async def close(self) -> None:
        await asyncio.gather(self._reports.close(), self._broker.close())

    async def _positions(self) -> Positions | Unreachable:
        try:
            return await self._broker.read()
        except Unreachable as error:
            return error

    async def _all_reports(self) -> dict[str, Report]:
        others = [part for part in shown(self._shop) if part.kind != "service" and part != KAFKA]
        found = await asyncio.gather(
            *(self._reports.of_service(name) for name in NAMES), *(self._reports.of_other(part) for part in others)
        )
        return dict(zip([*NAMES, *(part.name for part in others)], found, strict=True))

    # --- the flow of events ---

    def _flow(self, values: dict[str, Values | None], positions: Positions | None) -> dict[str, Any]:
        return {
            "services": [self._outbox(name, values[name]) for name in NAMES],
            "topics": [
                {
                    "name": topic.name,
                    "per_second": self._broker.published_per_second(topic.name),
                    "writers": [self._written(name, topic.name) for name in topic.writers],
                    "readers": [self._read(name, topic.name, positions) for name in topic.readers],
                }
                for topic in TOPICS
            ],
        }

    def _outbox(self, name: str, values: Values | None) -> dict[str, Any]:
        reported = values or {}
        return {
            "name": name,
            "outbox": largest(reported, "outbox_backlog"),
            "oldest_seconds": largest(reported, "outbox_oldest_seconds"),
            "retries": largest(reported, "retry_queue_events"),
            "dead_letters": largest(reported, "dead_letters"),
        }

    def _written(self, name: str, topic: str) -> dict[str, Any]:
        rate = self._counters[name].rate("events_published_total", lambda each: each["topic"] == topic, RATE_TICKS)
        return {"service": name, "per_second": rate}

    def _read(self, name: str, topic: str, positions: Positions | None) -> dict[str, Any]:
        lag = positions.lag.get((name, topic), 0) if positions else None
        return {"service": name, "per_second": self._broker.consumed_per_second(name, topic), "lag": lag}

    # --- figures ---

    def _totals(self, values: dict[str, Values | None], positions: Positions | None) -> dict[str, float | None]:
        known = [each for each in values.values() if each is not None]
        requests = self._sum_of_rates("http_requests_total", RATE_TICKS)
        orders = self._counters["order"].rate("orders_total", lambda each: each["status"] == "pending", RATE_TICKS)
        return {
            "requests_per_second": requests,
            "failures_per_second": self._failures(RATE_TICKS),
            "orders_per_minute": None if orders is None else orders * 60,
            "events_per_second": _sum(self._broker.published_per_second(topic.name) for topic in TOPICS),
            "lag": None if positions is None else sum(positions.lag.values()),
            "outbox": _sum(largest(each, "outbox_backlog") for each in known),
            "dead_letters": _sum(largest(each, "dead_letters") for each in known),
            "stuck_orders": total(values["order"], "orders_stuck") if values["order"] is not None else None,
        }

    def _points(self, values: dict[str, Values | None], positions: Positions | None) -> dict[str, float | None]:
        points: dict[str, float | None] = {}
        for name in NAMES:
            points[f"requests.{name}"] = self._counters[name].rate("http_requests_total")
            points[f"events.{name}"] = self._counters[name].rate("events_published_total")
            points[f"lag.{name}"] = _lag(positions, name)
            points[f"outbox.{name}"] = largest(values[name] or {}, "outbox_backlog")
        points["failures"] = self._failures(1)
        for name, histogram in LATENCIES.items():
            buckets = self._buckets(histogram)
            for percentile in PERCENTILES:
                points[f"{name}.p{percentile}"] = quantile(percentile / 100, buckets)
        return points

    def _failures(self, ticks: int) -> float | None:
        return self._sum_of_rates("http_requests_total", ticks, is_failure=True)

    def _sum_of_rates(self, name: str, ticks: int, *, is_failure: bool = False) -> float | None:
        def counts(series: Series) -> bool:
            return not is_failure or series["status"].startswith("5")

        return _sum(counters.rate(name, counts, ticks) for counters in self._counters.values())

    def _buckets(self, histogram: str) -> dict[float, float]:
        found: dict[float, float] = {}
        for counters in self._counters.values():
            for bound, count in counters.buckets(histogram).items():
                found[bound] = found.get(bound, 0) + count
        return found


def _sum(numbers: Iterable[float | None]) -> float | None:
    """The sum of the known numbers. None if there are none."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _lag(positions: Positions | None, service: str) -> float | None:
    if positions is None:
        return None
    return sum(lag for (name, _), lag in positions.lag.items() if name == service)
