import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tools.console.scrape import Counters, Series, largest, parse, quantile, total


def _requests(**count: float) -> dict[Series, float]:
    return {Series("http_requests_total", (("route", f"/{route}"),)): value for route, value in count.items()}


def test_only_the_metrics_of_the_console_and_customers_requests_are_read() -> None:
    registry = CollectorRegistry()
    requests = Counter("http_requests_total", "…", ["method", "route", "status"], registry=registry)
    for route in ("/orders", "/metrics", "/health/ready"):
        requests.labels("GET", route, "200").inc(3)
    Gauge("database_connections", "…", registry=registry).set(7)
    Gauge("outbox_backlog", "…", registry=registry).set(12)
    values = parse(generate_latest(registry).decode())
    assert {(series.name, series["route"]): value for series, value in values.items()} == {
        ("http_requests_total", "/orders"): 3,
        ("outbox_backlog", ""): 12,
    }
    assert total(values, "http_requests_total") == 3
    assert largest(values, "outbox_backlog") == 12
    assert largest(values, "dead_letters") is None


def test_rates_are_per_second_and_unknown_before_the_second_scrape() -> None:
    counters = Counters(seconds=30)
    counters.add(100, _requests(orders=50))
    assert counters.rate("http_requests_total") is None
    counters.add(102, _requests(orders=60, carts=4))
    assert counters.rate("http_requests_total") == 7
    assert counters.rate("http_requests_total", lambda each: each["route"] == "/carts") == 2
    counters.add(104, _requests(orders=60, carts=4))
    assert counters.rate("http_requests_total") == 0
    assert counters.rate("http_requests_total", ticks=2) == 3.5


def test_a_restarted_process_counts_from_zero() -> None:
    counters = Counters(seconds=30)
    counters.add(100, _requests(orders=50))
    counters.add(102, _requests(orders=6))
    assert counters.rate("http_requests_total") == 3


def test_a_service_that_does_not_answer_has_no_rate() -> None:
    counters = Counters(seconds=30)
    counters.add(100, _requests(orders=50))
    counters.add(102, _requests(orders=60))
    counters.forget()
    assert counters.rate("http_requests_total") is None
    counters.add(110, _requests(orders=76))
    assert counters.rate("http_requests_total") == 2, "since the last answer"


def test_quantiles_are_those_of_the_last_seconds_alone() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("event_age_seconds", "…", ["topic"], buckets=(0.1, 1, 10), registry=registry)
    counters = Counters(seconds=30)

    def scrape(at: float) -> None:
        counters.add(at, parse(generate_latest(registry).decode()))

    histogram.labels("users").observe(9)
    scrape(100)
    for age in (0.05, 0.5, 0.5, 0.5):
        histogram.labels("orders").observe(age)
    scrape(102)
    buckets = counters.buckets("event_age_seconds")
    assert buckets == {0.1: 1, 1: 4, 10: 4, float("inf"): 4}
    assert quantile(0.25, buckets) == pytest.approx(0.1)
    assert quantile(0.5, buckets) == pytest.approx(0.1 + 0.9 / 3)
    scrape(140)
    assert quantile(0.5, counters.buckets("event_age_seconds")) is None


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile(0.99, {1: 1, float("inf"): 4}) == 1
