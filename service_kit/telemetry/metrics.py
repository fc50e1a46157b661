"""Prometheus metrics of the HTTP side; messaging adds its own."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram, Info

REQUESTS = Counter("http_requests_total", "Answers given", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "From the request's first byte to the answer's last, without what it waited as asked (`Prefer: wait`)",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being served")
WAITING = Gauge("http_requests_waiting", "Requests that wait for something to happen (`Prefer: wait`)")
CONNECTIONS = Gauge("database_connections", "Connections in use", ["pool"])
CONNECTIONS_MAX = Gauge("database_connections_max", "Maximum size of the connection pool", ["pool"])
CONNECTIONS_WAITING = Gauge("database_connections_waiting", "Statements that wait for a connection of the asyncpg pool")
APP = Info("app", "The release that runs, and the newest migrations that it knows, of the service and of the kit")
KEYS_AGE = Gauge("verification_keys_age_seconds", "Since the verification keys in use were fetched")


@cache
def of_request(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The metrics of a route and a status. The cache is small: its entries are limited by routes and statuses."""
    return REQUESTS.labels(method, route, status), REQUEST_SECONDS.labels(method, route)
