"""Dashboards for Grafana, as Python: `python -m deploy.monitoring` writes them as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from deploy.monitoring.slo import NOT_REQUESTS, PERIOD
from local_stack.parts import SERVICES

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 12, 8
_RATE = "$__rate_interval"
_BUDGET = "on (slo) group_left () slo:error_budget:ratio"
_FIRING = 'sum by (alertname, severity) (ALERTS{alertstate="firing"})'


@dataclass(frozen=True)
class Panel:
    """`queries`: expressions, and the legend of their series."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    description: str = ""
    lowest: float | None = 0

    def build(self) -> timeseries.Panel:
        made = (
            timeseries.Panel()
            .title(self.title)
            .description(self.description)
            .unit(self.unit)
            .datasource(SOURCE)
            .span(WIDTH)
            .height(HEIGHT)
            .legend(common.VizLegendOptions().show_legend(True))
        )
        if self.lowest is not None:
            made = made.min(self.lowest)
        for number, (expr, legend) in enumerate(self.queries):
            query = prometheus.Dataquery().ref_id(chr(ord("A") + number)).datasource(SOURCE)
            made = made.with_target(query.expr(expr).legend_format(legend))
        return made


@dataclass(frozen=True)
class Dashboard:
    name: str
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def panels(self) -> Iterator[Panel]:
        for _, panels in self.rows:
            yield from panels

    def as_json(self) -> str:
        made = (
            dashboard.Dashboard(self.title)
            .uid(f"online-mart-{self.name}")
            .tags(["online-mart"])
            .refresh("30s")
            .time("now-3h", "now")
            .timezone("browser")
            .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        )
        for title, panels in self.rows:
            made = made.with_row(dashboard.Row(title))
            for panel in panels:
                made = made.with_panel(panel.build())
        return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _quantile(quantile: float, histogram: str, by: str, matchers: str = "") -> str:
    labels = ", ".join(filter(None, ("le", by)))
    selector = f"{{{matchers}}}" if matchers else ""
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({histogram}_bucket{selector}[{_RATE}])))"


OVERVIEW = Dashboard(
    "overview",
    "Online Mart / Overview",
    [
        ("Objectives", [
            Panel("Error budget left", units.PercentUnit, [
                (f"1 - slo:error_ratio:rate{PERIOD} / {_BUDGET}", "{{slo}} {{job}}"),
            ], f"Of the last {PERIOD}; below 0 the objective is missed.", lowest=None),
            Panel("Budget use in the last hour", units.Short, [
                (f"slo:error_ratio:rate1h / {_BUDGET}", "{{slo}} {{job}}"),
            ], "1 uses the budget up exactly in the period; 14.4 pages."),
            Panel("Alerts that fire", units.Short, [
                (f"{_FIRING} or on () vector(0)", "{{severity}} {{alertname}}"),
            ]),
            Panel("Processes that answer", units.Short, [
                ('sum by (job) (up{job=~".+_service"})', "{{job}}"),
            ]),
        ]),
        ("Traffic", [
            Panel("Requests", units.RequestsPerSecond, [
                (f'sum by (job) (rate(http_requests_total{{route!~"{NOT_REQUESTS}"}}[{_RATE}]))', "{{job}}"),
            ]),
            Panel("Requests by status", units.RequestsPerSecond, [
                (f'sum by (status) (rate(http_requests_total{{route!~"{NOT_REQUESTS}"}}[{_RATE}]))', "{{status}}"),
            ]),
            Panel("Orders placed", units.Short, [
                (f'sum(rate(orders_total{{status="pending"}}[{_RATE}])) * 60', "each minute"),
            ]),
            Panel("Releases", units.Short, [
                ("count by (service, version) (app_info)", "{{service}} {{version}}"),
            ], "How many processes run each version."),
        ]),
    ],
)  # fmt: skip


def _service(package: str, title: str) -> Dashboard:
    job = f'job="{package}"'
    name = package.replace("_", "-")
    return Dashboard(name, f"Online Mart / {title}", [_http(f'{job}, route!~"{NOT_REQUESTS}"', job), *_process(job)])


def _http(requests: str, job: str) -> tuple[str, list[Panel]]:
    counted = f"rate(http_requests_total{{{requests}}}[{_RATE}])"
    failed = f'rate(http_requests_total{{{requests}, status=~"5.."}}[{_RATE}])'
    route = "{{method}} {{route}}"
    return ("HTTP", [
        Panel("Requests by route", units.RequestsPerSecond, [
            (f"sum by (method, route) ({counted})", route),
        ]),
        Panel("Failures", units.RequestsPerSecond, [
            (f"sum by (status) ({failed}) or on () vector(0)", "{{status}}"),
        ]),
        Panel("Duration, 99th percentile", units.Seconds, [
            (_quantile(0.99, "http_request_duration_seconds", "method, route", requests), route),
        ], "Without the time that clients asked to wait."),
        Panel("Requests in a process", units.Short, [
            (f"max by (instance) (http_requests_in_flight{{{job}}})", "in flight {{instance}}"),
            (f"max by (instance) (http_requests_waiting{{{job}}})", "waiting {{instance}}"),
        ]),
    ])  # fmt: skip


def _process(job: str) -> list[tuple[str, list[Panel]]]:
    return [
        ("Database", [
            Panel("Connections", units.Short, [
                (f"max by (instance, pool) (database_connections{{{job}}})", "{{pool}} {{instance}}"),
                (f"max by (pool) (database_connections_max{{{job}}})", "size of {{pool}}"),
            ]),
            Panel("Statements that wait for a connection", units.Short, [
                (f"max by (instance) (database_connections_waiting{{{job}}})", "{{instance}}"),
            ]),
        ]),
        ("Jobs and process", [
            Panel("Runs of jobs", units.Short, [
                (f"sum by (exported_job, outcome) (rate(job_runs_total{{{job}}}[{_RATE}])) * 60",
                 "{{exported_job}} {{outcome}}"),
            ], "Each minute."),
            Panel("Age of the verification keys", units.Seconds, [
                (f"max by (instance) (verification_keys_age_seconds{{{job}}})", "{{instance}}"),
            ]),
            Panel("Processor", units.PercentUnit, [
                (f"max by (instance) (rate(process_cpu_seconds_total{{{job}}}[{_RATE}]))", "{{instance}}"),
            ], "Of one core, which is what one process can use."),
            Panel("Memory", units.BytesIEC, [
                (f"max by (instance) (process_resident_memory_bytes{{{job}}})", "{{instance}}"),
            ]),
        ]),
    ]  # fmt: skip


EVENTS = Dashboard(
    "events",
    "Online Mart / Events",
    [
        ("Publishing", [
            Panel("Published", units.EventsPerSecond, [
                (f"sum by (job, topic) (rate(events_published_total[{_RATE}]))", "{{job}} {{topic}}"),
            ]),
            Panel("Age of the oldest event in the outbox", units.Seconds, [
                ("max by (job) (outbox_oldest_seconds)", "{{job}}"),
            ], "Over a minute pages."),
            Panel("Events in the outbox", units.Short, [("max by (job) (outbox_backlog)", "{{job}}")]),
            Panel("Relays that own the lease", units.Short, [
                ("max by (job) (relay_owner)", "{{job}}"),
            ], "0: nobody publishes this service's events."),
            Panel("From commit to Kafka, 99th percentile", units.Seconds, [
                (_quantile(0.99, "outbox_publish_seconds", "job"), "{{job}}"),
            ]),
        ]),
        ("Handling", [
            Panel("Handled", units.EventsPerSecond, [
                (f"sum by (job, topic) (rate(events_consumed_total[{_RATE}]))", "{{job}} {{topic}}"),
            ]),
            Panel("Lag", units.Short, [("sum by (job, topic) (consumer_lag)", "{{job}} {{topic}}")]),
            Panel("Age when handled, 99th percentile", units.Seconds, [
                (_quantile(0.99, "event_age_seconds", "job, topic"), "{{job}} {{topic}}"),
            ], "From the commit at the producer to the commit here."),
            Panel("Failed events", units.Short, [
                ("max by (job) (retry_queue_events)", "tried again by {{job}}"),
                ("max by (job) (dead_letters)", "dead letters of {{job}}"),
            ]),
        ]),
    ],
)  # fmt: skip

ORDERS = Dashboard(
    "orders",
    "Online Mart / Orders and payments",
    [
        ("Orders", [
            Panel("Orders by the status that they enter", units.Short, [
                (f"sum by (status) (rate(orders_total[{_RATE}])) * 60", "{{status}}"),
            ], "Each minute."),
            Panel("Revenue", units.Short, [
                (f"sum by (currency) (rate(order_revenue_minor_total[{_RATE}])) * 3600 / 100", "{{currency}}"),
            ], "Of each hour, of orders that were paid; in units of a hundred minor units, whatever the currency."),
            Panel("Until the stock is decided", units.Seconds, [
                (_quantile(0.5, "order_decision_seconds", ""), "median"),
                (_quantile(0.99, "order_decision_seconds", ""), "99th percentile"),
            ]),
            Panel("Stuck orders", units.Short, [
                ("max by (reason) (orders_stuck) or on () vector(0)", "{{reason}}"),
            ]),
        ]),
        ("Payments", [
            Panel("Calls to the gateway", units.RequestsPerSecond, [
                (f"sum by (operation, outcome) (rate(payment_gateway_seconds_count[{_RATE}]))",
                 "{{operation}} {{outcome}}"),
            ]),
            Panel("Duration of calls, 99th percentile", units.Seconds, [
                (_quantile(0.99, "payment_gateway_seconds", "operation"), "{{operation}}"),
            ]),
            Panel("Without an outcome for too long", units.Short, [("max by (kind) (payments_overdue)", "{{kind}}")]),
            Panel("Webhooks of no order of ours", units.Short, [
                ("sum by (kind) (increase(payment_webhooks_unmatched_total[1h]))", "{{kind}}"),
            ], "In the last hour."),
        ]),
    ],
)  # fmt: skip

DASHBOARDS = (OVERVIEW, *(_service(each.package, each.title) for each in SERVICES), EVENTS, ORDERS)
