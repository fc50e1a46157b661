"""The service level objectives, and alerts on how fast their error budgets are used.

An alert looks at two windows: in the long one enough of the budget is used, and the short one shows that it goes on,
so that the alert ends soon after the fault (Google's Site Reliability Workbook, "Alerting on SLOs").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from deploy.monitoring.rules import Alert, Group, Recording, Severity

PERIOD = "28d"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
NOT_REQUESTS = "/health/.*|/metrics"
"""Routes whose requests are no customer's."""


@dataclass(frozen=True)
class Burn:
    """`rate` 1: the budget would be used up exactly at the end of the period."""

    severity: Severity
    long: str
    short: str
    rate: Decimal


BURNS = (
    Burn("page", "1h", "5m", Decimal("14.4")),
    Burn("page", "6h", "30m", Decimal(6)),
    Burn("ticket", "1d", "2h", Decimal(3)),
    Burn("ticket", "3d", "6h", Decimal(1)),
)


@dataclass(frozen=True)
class Slo:
    """`good` and `total`: rates per second by service, with `{window}` for their window."""

    name: str
    title: str
    budget: Decimal
    """The share that may fail: 0.001 of an objective of 99.9 %."""
    good: str
    total: str
    alert: str
    summary: str

    def error_ratio(self, window: str) -> str:
        good, total = (each.replace("{window}", window) for each in (self.good, self.total))
        return f"1 - ({good}) / ({total})"


def _faster(histogram: str, seconds: float, matchers: str = "") -> tuple[str, str]:
    """Observations of at most so many seconds, which must be a bucket, and all observations."""
    both = ", ".join(filter(None, [matchers, f'le="{seconds}"']))
    total = f"{{{matchers}}}" if matchers else ""
    return (
        f"sum by (job) (rate({histogram}_bucket{{{both}}}[{{window}}]))",
        f"sum by (job) (rate({histogram}_count{total}[{{window}}]))",
    )


_REQUESTS = f'sum by (job) (rate(http_requests_total{{job=~".+_service", route!~"{NOT_REQUESTS}"%s}}[{{window}}]))'
_NOT_FAILED = ', status!~"5.."'

SLOS = (
    Slo(
        "requests",
        "Requests that don't fail (5xx)",
        Decimal("0.001"),
        # A process that has only failed since its start has no series of requests that did not.
        f"{_REQUESTS % _NOT_FAILED} or 0 * {_REQUESTS % ''}",
        _REQUESTS % "",
        "RequestErrorBudgetBurn",
        "{{ $labels.job }} fails too many requests",
    ),
    Slo(
        "placing",
        "Orders placed within 250 ms",
        Decimal("0.01"),
        *_faster("http_request_duration_seconds", 0.25, 'job="order_service", method="POST", route="/orders"'),
        "PlacingLatencyBudgetBurn",
        "Too many orders take more than 250 ms to place",
    ),
    Slo(
        "decisions",
        "Orders decided within 5 s",
        Decimal("0.001"),
        *_faster("order_decision_seconds", 5.0),
        "OrderDecisionBudgetBurn",
        "Too many orders wait more than 5 s for their stock",
    ),
    Slo(
        "events",
        "Events handled within 30 s",
        Decimal("0.001"),
        *_faster("event_age_seconds", 30.0),
        "EventDelayBudgetBurn",
        "{{ $labels.job }} handles too many events more than 30 s after they were committed",
    ),
)


def _recordings(slo: Slo) -> Iterator[Recording]:
    for window in WINDOWS:
        yield Recording(f"slo:error_ratio:rate{window}", slo.error_ratio(window), {"slo": slo.name})
    yield Recording("slo:error_budget:ratio", f"vector({slo.budget})", {"slo": slo.name})


def _alert(slo: Slo, burn: Burn) -> Alert:
    ratio = f'slo:error_ratio:rate%s{{slo="{slo.name}"}} > {(burn.rate * slo.budget).normalize()}'
    expr = f"{ratio % burn.long} and {ratio % burn.short}"
    return Alert(slo.alert, expr, burn.severity, slo.summary, labels={"window": burn.long})


GROUPS = (
    *(
        Group(f"slo-{slo.name}", [*_recordings(slo), *(_alert(slo, burn) for burn in BURNS)])
        for slo in SLOS
    ),
    # Over the whole period, for dashboards alone: seldom, since each evaluation reads four weeks.
    Group(
        "slo-period",
        [
            Recording(f"slo:error_ratio:rate{PERIOD}", slo.error_ratio(PERIOD), {"slo": slo.name})
            for slo in SLOS
        ],
        interval="4m",
    ),
)  # fmt: skip
