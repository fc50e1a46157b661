"""For each alert, series with which it fires and series with which it does not: `rules_test.yaml`, which promtool runs.

Series are in promtool's notation, one value each minute: `0+5x10` is 0, 5, … 50, `1x10` is eleven times 1.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.monitoring.alerts import GROUPS
from deploy.monitoring.rules import Alert
from deploy.monitoring.slo import GROUPS as SLO_GROUPS
from deploy.monitoring.slo import SLOS

Series = Mapping[str, str]
ALERTS = [rule for group in (*SLO_GROUPS, *GROUPS) for rule in group.rules if isinstance(rule, Alert)]
REQUESTS = 100_000
"""In each minute; of which so many fail that whole numbers result."""


@dataclass(frozen=True)
class Case:
    """`at`: when the alerts are looked at. `labels`: those of the series that the alert keeps."""

    alert: str
    fires: Series
    silent: Series
    labels: dict[str, str] = field(default_factory=dict)
    at: str = "10m"


def _of_order(name: str, **labels: str) -> str:
    inner = ", ".join(f'{label}="{value}"' for label, value in {"job": "order_service", **labels}.items())
    return f"{name}{{{inner}}}"


def _cnpg_backup(instance: str) -> str:
    return f'barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{{job="order", instance="{instance}"}}'


ORDER = {"job": "order_service"}
API, WORKER = {"instance": "api:9000"}, {"instance": "worker:9000"}
POOL = {**API, "pool": "asyncpg"}
STOCK = {"job": "order_service", "topic": "stock_levels"}
GROUP = 'consumergroup="order_service", topic="stock_levels"'
DISK = 'job="node", instance="db:9100", mountpoint="/data", fstype="ext4"'
REPLICA = '{job="postgres", instance="replica:9187"}'
CERTIFICATE = 'probe_ssl_earliest_cert_expiry{job="probe", instance="https://shop.example"}'
DAY = 86400
BACKUP = 'backup_completed_timestamp_seconds{job="node", instance="db:9100"}'


def _runs(outcome: str, values: str) -> dict[str, str]:
    return {_of_order("job_runs_total", exported_job="refunds", outcome=outcome): values}


def _calls(**outcomes: str) -> dict[str, str]:
    name = "payment_gateway_seconds_count"
    return {_of_order(name, operation="open", outcome=outcome): values for outcome, values in outcomes.items()}


def _told_by_both(name: str, api: str, worker: str, **labels: str) -> dict[str, str]:
    return {_of_order(name, **API, **labels): api, _of_order(name, **WORKER, **labels): worker}


CASES = (
    Case("TargetDown", {_of_order("up", **API): "0x30"}, {_of_order("up", **API): "1x30"}, {**ORDER, **API}),
    # One process that answers is enough.
    Case("DatabasePoolExhausted",
         {_of_order("database_connections", **POOL): "8x30", _of_order("database_connections_max", **POOL): "8x30"},
         {_of_order("database_connections", **POOL): "7x30", _of_order("database_connections_max", **POOL): "8x30"},
         {**ORDER, **POOL}),
    Case("VerificationKeysOld",
         _told_by_both("verification_keys_age_seconds", "10x30", "3700x30"),
         _told_by_both("verification_keys_age_seconds", "10x30", "3500x30"), ORDER),
    Case("JobFailing", _runs("failed", "0+1x30") | _runs("ok", "7x30"),
         _runs("failed", "0+1x30") | _runs("ok", "0+1x30"), {**ORDER, "exported_job": "refunds"}),
    Case("OutboxStalled", _told_by_both("outbox_oldest_seconds", "0x30", "61x30"),
         _told_by_both("outbox_oldest_seconds", "59x30", "59x30"), ORDER),
    Case("RelayWithoutOwner", _told_by_both("relay_owner", "0x30", "0x30"),
         _told_by_both("relay_owner", "0x30", "1x30"), ORDER),
    # Steady lag, and lag that two processes share, grows no faster than what they tell together.
    Case("ConsumerLagGrowing", _told_by_both("consumer_lag", "0+10x40", "0+10x40", topic="stock_levels"),
         _told_by_both("consumer_lag", "0+100x40", "4000-100x40", topic="stock_levels"), STOCK, at="25m"),
    Case("ConsumerGroupStalled",
         {f"kafka_consumergroup_lag{{{GROUP}, partition=\"0\"}}": "5x40",
          f"kafka_consumergroup_current_offset{{{GROUP}, partition=\"0\"}}": "70x40"},
         {f"kafka_consumergroup_lag{{{GROUP}, partition=\"0\"}}": "5x40",
          f"kafka_consumergroup_current_offset{{{GROUP}, partition=\"0\"}}": "70+1x40"},
         {"consumergroup": "order_service", "topic": "stock_levels"}, at="20m"),
    Case("DeadLetters", _told_by_both("dead_letters", "0x30", "1x30"), _told_by_both("dead_letters", "0x30", "0x30"),
         ORDER),
    # It ends by itself when none has come for an hour.
    Case("EventUnreadable", {_of_order("events_dead_total", topic="stock_levels", reason="unreadable"): "0x60 1x30"},
         {_of_order("events_dead_total", topic="stock_levels", reason="unreadable"): "0 1x89",
          _of_order("events_dead_total", topic="stock_levels", reason="attempts"): "0x60 1x30"}, STOCK, at="65m"),
    Case("OrderStuck", _told_by_both("orders_stuck", "2x30", "2x30", reason="no answer"),
         _told_by_both("orders_stuck", "0x30", "0x30", reason="no answer"), {"reason": "no answer"}),
    Case("PaymentOverdue", _told_by_both("payments_overdue", "1x30", "1x30", kind="refund"),
         _told_by_both("payments_overdue", "0x30", "0x30", kind="refund"), {"kind": "refund"}),
    # It ends by itself when nothing has come for an hour.
    Case("PaymentUnmatched", {_of_order("payment_webhooks_unmatched_total", kind="charge"): "0x60 1x30"},
         {_of_order("payment_webhooks_unmatched_total", kind="charge"): "0 1x89"}, {"kind": "charge"}, at="65m"),
    Case("GatewayFailing", _calls(answered="0+80x30", lost="0+10x30", unreachable="0+10x30"),
         _calls(answered="0+80x30", rejected="0+15x30", lost="0+5x30")),
    Case("PostgresConnectionsExhausted",
         {'pg_stat_activity_count{instance="db:9187", datname="order_service", state="idle"}': "60x30",
          'pg_stat_activity_count{instance="db:9187", datname="user_service", state="active"}': "21x30",
          'pg_settings_max_connections{instance="db:9187"}': "100x30"},
         {'pg_stat_activity_count{instance="db:9187", datname="order_service", state="idle"}': "79x30",
          'pg_settings_max_connections{instance="db:9187"}': "100x30"}, {"instance": "db:9187"}),
    Case("ReplicaBehind",
         {f"pg_replication_lag_seconds{REPLICA}": "31x30", f"pg_replication_is_replica{REPLICA}": "1x30"},
         {f"pg_replication_lag_seconds{REPLICA}": "29x30", f"pg_replication_is_replica{REPLICA}": "1x30"},
         {"job": "postgres", "instance": "replica:9187"}),
    Case("MigrationRunningLong",
         {'pg_stat_activity_max_tx_duration{datname="order_service", state="active"}': "0+60x30"},
         {'pg_stat_activity_max_tx_duration{datname="order_service", state="active"}': "30x30",
          'pg_stat_activity_max_tx_duration{datname="warehouse", state="active"}': "0+60x30"},
         {"datname": "order_service"}),
    Case("DiskFull",
         {f"node_filesystem_avail_bytes{{{DISK}}}": "4x30", f"node_filesystem_size_bytes{{{DISK}}}": "100x30"},
         {f"node_filesystem_avail_bytes{{{DISK}}}": "6x30", f"node_filesystem_size_bytes{{{DISK}}}": "100x30"},
         {"job": "node", "instance": "db:9100", "mountpoint": "/data", "fstype": "ext4"}),
    Case("DiskFilling",
         {f"node_filesystem_avail_bytes{{{DISK}}}": "390-1x80", f"node_filesystem_size_bytes{{{DISK}}}": "1000x80"},
         {f"node_filesystem_avail_bytes{{{DISK}}}": "300x80", f"node_filesystem_size_bytes{{{DISK}}}": "1000x80"},
         {"job": "node", "instance": "db:9100", "mountpoint": "/data", "fstype": "ext4"}, at="70m"),
    # promtool's time begins at 0.
    Case("BackupOld", {BACKUP: f"{-DAY}x70"}, {BACKUP: f"{3900 - DAY}x70"},
         {"job": "node", "instance": "db:9100"}, at="65m"),
    Case("BackupOld", {_cnpg_backup("order-1"): f"{-DAY}x70"},
         {_cnpg_backup("order-1"): "0x70", _cnpg_backup("order-2"): f"{-DAY}x70"}, {"job": "order"}, at="65m"),
    Case("CertificateExpiring", {CERTIFICATE: f"{13 * DAY}x70"}, {CERTIFICATE: f"{15 * DAY}x70"},
         {"job": "probe", "instance": "https://shop.example"}, at="65m"),
)  # fmt: skip


def tests() -> Iterator[dict[str, Any]]:
    for case in CASES:
        [alert] = [each for each in ALERTS if each.name == case.alert]
        yield _test(f"{alert.name} fires", case.fires, case.at, {alert.name: [_expected(alert, case.labels)]})
        yield _test(f"{alert.name} does not fire", case.silent, case.at, {alert.name: []})
    yield from _service_down()
    yield from _burns()


def _service_down() -> Iterator[dict[str, Any]]:
    """Of each service: no process answers, or none is known; one of two is enough."""
    alerts = [each for each in ALERTS if each.name == "ServiceDown"]
    services = [alert.labels["job"] for alert in alerts]
    down = {f'up{{job="{service}", instance="a:9000"}}': "0x30" for service in services[1:]}
    yield _test("ServiceDown fires", down, "10m", {"ServiceDown": [_expected(each, {}) for each in alerts]})
    up = {f'up{{job="{service}", instance="b:9000"}}': "1x30" for service in services}
    yield _test("ServiceDown does not fire", down | up, "10m", {"ServiceDown": []})


def _burns() -> Iterator[dict[str, Any]]:
    """Half an hour at so many times the rate at which the budget lasts for the period: (rate, windows that fire)."""
    for rate, windows in ((20, "1h 6h 1d 3d"), (8, "6h 1d 3d"), (4, "1d 3d"), (2, "3d"), (0.5, "")):
        yield _test(f"a budget that is used {rate} times too fast", _failing(rate, 30, 0), "30m", _burning(windows))
    yield _test("a fault that is over ends the page", _failing(20, 30, 10), "40m", _burning("6h 1d 3d"))
    yield _test("and in time the next one", _failing(20, 30, 35), "65m", _burning("1d 3d"))


def _burning(windows: str) -> dict[str, list[dict[str, Any]]]:
    return {
        slo.alert: [
            _expected(alert, {**ORDER, "slo": slo.name})
            for alert in ALERTS
            if alert.name == slo.alert and alert.labels["window"] in windows.split()
        ]
        for slo in SLOS
    }


def _failing(rate: float, minutes: int, clean: int) -> dict[str, str]:
    def counter(each: float) -> str:
        return f"0+{each:g}x{minutes}" + (f" {each * minutes:g}x{clean}" if clean else "")

    found = {}
    for slo in SLOS:
        bad = round(float(slo.budget) * rate * REQUESTS)
        good, total = _series_of[slo.name]
        if good == total:  # requests, of which the failed ones are a series of their own
            found[f'{total}, status="500"}}'] = counter(bad)
            found[f'{good}, status="200"}}'] = f"0+{REQUESTS - bad}x{minutes + clean}"
        else:
            found[total] = f"0+{REQUESTS}x{minutes + clean}"
            found[good] = f"0+{REQUESTS - bad}x{minutes}" + _caught_up(bad, minutes, clean)
    return found


def _caught_up(bad: int, minutes: int, clean: int) -> str:
    """From now on all are good."""
    return f" {(REQUESTS - bad) * minutes + REQUESTS}+{REQUESTS}x{clean - 1}" if clean else ""


_PLACING = 'http_request_duration_seconds_%s{job="order_service", method="POST", route="/orders"%s}'
_series_of = {
    "requests": ('http_requests_total{job="order_service", method="GET", route="/orders"',) * 2,
    "placing": (_PLACING % ("bucket", ', le="0.25"'), _PLACING % ("count", "")),
    "decisions": (_of_order("order_decision_seconds_bucket", le="5.0"), _of_order("order_decision_seconds_count")),
    "events": (
        _of_order("event_age_seconds_bucket", topic="payments", le="30.0"),
        _of_order("event_age_seconds_count", topic="payments"),
    ),
}


def _expected(alert: Alert, labels: Mapping[str, str]) -> dict[str, Any]:
    known = {**labels, **alert.all_labels}
    summary = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: known[found.group(1)], alert.summary)
    return {"exp_labels": known, "exp_annotations": alert.annotations | {"summary": summary}}


def _test(name: str, series: Series, at: str, expected: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "alert_rule_test": [
            {"eval_time": at, "alertname": alert, "exp_alerts": alerts} for alert, alerts in expected.items()
        ],
    }
