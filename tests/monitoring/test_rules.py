"""Every alert is shown to fire and not to fire, names metrics that exist, and has a runbook."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.__main__ import HERE, generated
from deploy.monitoring.dashboards import DASHBOARDS
from deploy.monitoring.external import EXTERNAL
from deploy.monitoring.rules import RUNBOOKS
from local_stack.environment import ROOT
from tests.monitoring.expressions import metrics, of_the_services

COMMANDS = ("docker ", "make ", "psql ", "curl ", "openssl ", "df ", "du ", "kafka-")
MEMORY = Path("/dev/shm")
PROMTOOL_SECONDS = 600
"""It takes some seconds of a processor; other tests may have the machine."""


def _read(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text())


RULES: list[dict[str, Any]] = [rule for group in _read("rules.yaml")["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDINGS = [rule for rule in RULES if "record" in rule]
TESTS: list[dict[str, Any]] = _read("rules_test.yaml")["tests"]


def name_of(alert: dict[str, Any]) -> str:
    return " ".join([alert["alert"], *(value for name, value in alert["labels"].items() if name != "severity")])


def test_generated_files_are_current() -> None:
    for name, text in generated().items():
        assert (HERE / name).read_text() == text, f"{name}: run python -m deploy.monitoring"


@pytest.mark.timeout(PROMTOOL_SECONDS)
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "rules.yaml"), ("test", "rules", "rules_test.yaml"), ("check", "config", "prometheus.yaml")],
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is needed: apt-get install prometheus")
    # It makes a database for each test, and waits for the disk again and again.
    here = {"TMPDIR": str(MEMORY)} if MEMORY.is_dir() else {}
    done = subprocess.run(
        ["promtool", *arguments], cwd=HERE, env=os.environ | here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_reads_its_configuration() -> None:
    if not shutil.which("amtool"):
        pytest.skip("amtool is needed: apt-get install prometheus-alertmanager")
    command = ["amtool", "check-config", str(HERE / "alertmanager.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _looked_at(alert: dict[str, Any]) -> Iterator[bool]:
    """Of each test that has series for the alert and looks at it: whether it is expected to fire."""
    needed = _sources(alert["expr"])
    for test in TESTS:
        series = {each["series"].partition("{")[0] for each in test["input_series"]}
        for look in test["alert_rule_test"]:
            if look["alertname"] == alert["alert"] and needed & series:
                expected = [each["exp_labels"] for each in look["exp_alerts"]]
                yield any(alert["labels"].items() <= labels.items() for labels in expected)


def _sources(expr: str) -> set[str]:
    """The metrics that an expression reads, through recording rules too."""
    found: set[str] = set()
    for metric in metrics(expr):
        recorded = [rule["expr"] for rule in RECORDINGS if rule["record"] == metric]
        found |= set().union(*map(_sources, recorded)) if recorded else {metric}
    return found


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_an_alert_is_shown_to_fire_and_not_to_fire(alert: dict[str, Any]) -> None:
    assert set(_looked_at(alert)) == {True, False}


def test_a_missing_case_is_found() -> None:
    unknown = {"alert": "NobodyTestsThis", "expr": "up == 0", "labels": {}}
    assert not set(_looked_at(unknown))


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ('rate(http_requests_total{job="up", route!~"/a|/b"}[5m])', {"http_requests_total"}),
        ("sum by (job, topic) (consumer_lag) > 1e3 and on (job) up == 1", {"consumer_lag", "up"}),
        ('slo:error_ratio:rate5m{slo="requests"} > 0.0144', {"slo:error_ratio:rate5m"}),
        ("predict_linear(free[6h], 86400) < 0 unless vector(0)", {"free"}),
    ],
)
def test_metrics_of_an_expression_are_found(expr: str, found: set[str]) -> None:
    assert metrics(expr) == found


def test_rules_name_only_metrics_that_exist() -> None:
    known = of_the_services() | EXTERNAL | {rule["record"] for rule in RECORDINGS}
    assert len(known) > 60
    named = {metric for rule in RULES for metric in metrics(rule["expr"])}
    assert not named - known
    assert not {"relay_owner", "orders_stuck", "dead_letters", "payments_overdue"} - named


def _dashboards() -> Iterator[str]:
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            yield from (expr for expr, _ in panel.queries)


def test_dashboards_name_only_metrics_that_exist() -> None:
    known = of_the_services() | EXTERNAL | {rule["record"] for rule in RECORDINGS}
    named = {metric for expr in _dashboards() for metric in metrics(expr)}
    assert len(named) > 20
    assert not named - known


def test_no_gauge_of_a_whole_service_is_summed() -> None:
    """Each replica tells the same figure."""
    whole = "outbox_backlog|outbox_oldest_seconds|dead_letters|retry_queue_events|orders_stuck|payments_overdue"
    summed = re.compile(rf"\b(?:sum|avg|count)\s*(?:by\s*\([^)]*\)\s*)?\(\s*(?:{whole})\b")
    assert summed.search("sum by (job) (dead_letters)")
    for expr in (*(rule["expr"] for rule in RULES), *_dashboards()):
        assert not summed.search(expr), expr


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = {alert["alert"] for alert in ALERTS}
    assert {path.stem for path in (ROOT / RUNBOOKS).glob("*.md")} == alerts
    for alert in ALERTS:
        assert (ROOT / alert["annotations"]["runbook_url"]).is_file()


@pytest.mark.parametrize("name", sorted({alert["alert"] for alert in ALERTS}))
def test_a_runbook_has_what_is_needed_at_night(name: str) -> None:
    text = (ROOT / RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What it means", "Look", "Act"]
    lines = [
        line for block in re.findall(r"^```\n(.+?)^```", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()
    ]
    queries = [line for line in lines if not line.startswith(COMMANDS)]
    assert queries
    known = of_the_services() | EXTERNAL | {rule["record"] for rule in RECORDINGS}
    for query in queries:
        assert metrics(query), query
        assert not metrics(query) - known, query


def test_the_folder_is_complete() -> None:
    assert {path.name for path in Path(HERE).glob("*.yaml")} == {
        "alertmanager.yaml", "prometheus.yaml", "rules.yaml", "rules_test.yaml",
    }  # fmt: skip
