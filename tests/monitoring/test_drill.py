"""The drill raises every alert that can be raised here; docs/monitoring.md says which those are."""

import re

import pytest

from deploy.monitoring.external import EXPORTERS, EXTERNAL
from deploy.monitoring.rules import Alert, Group, Recording
from local_stack.environment import ROOT
from tests.monitoring.drill.faults import FAULTS
from tests.monitoring.expressions import metrics
from tests.monitoring.receiver import Expected, Notice, Receiver
from tests.monitoring.scaling import GROUPS, scaled, scaled_route, shortened

OF_OTHERS = EXTERNAL - EXPORTERS["Prometheus"]
"""Metrics of exporters, none of which runs here."""
ALERTS = [rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)]
EXPECTED = [expected for fault in FAULTS.values() for expected in fault.expected]
ROW = re.compile(r"^\| `(\w+)` \| (the drill|promtool alone) \|", re.MULTILINE)


def _is_raised(alert: Alert) -> bool:
    return any(
        alert.labels.items() <= expected.labels.items() and alert.name == expected.alert for expected in EXPECTED
    )


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: " ".join([alert.name, *alert.labels.values()]))
def test_the_drill_raises_every_alert_on_metrics_of_ours(alert: Alert) -> None:
    assert _is_raised(alert) == (not metrics(alert.expr) & OF_OTHERS)


def test_the_document_says_which_alerts_the_drill_raises() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    found = dict(ROW.findall(text))
    assert found == {alert.name: "the drill" if _is_raised(alert) else "promtool alone" for alert in ALERTS}
    assert len(ROW.findall(text)) == len(found)


def test_windows_and_waits_are_shorter_and_thresholds_stay() -> None:
    alert = Alert("Late", "rate(late_total[5m]) > 60 and age > 3600", "page", "", "1m")
    made = scaled(Group("late", [Recording("late", "rate(late_total[3d])"), alert], interval="4m"), factor=60)
    [recording, shorter] = made.as_group()["rules"]
    assert (made.interval, recording["expr"]) == ("4000ms", "rate(late_total[4320000ms])")
    assert (shorter["expr"], shorter["for"]) == ("rate(late_total[5000ms]) > 60 and age > 3600", "1000ms")
    assert shortened("1h", 60) == "60000ms"


def test_no_wait_of_a_rule_or_route_is_left() -> None:
    groups = [group.as_group() for group in GROUPS]
    assert not re.findall(r"\[\d+[smhd]\]", str(groups))
    route = {"group_by": ["job"], "group_wait": "30s", "routes": [{"receiver": "pager", "repeat_interval": "1h"}]}
    assert scaled_route(route, 60) == {
        "group_by": ["job"], "group_wait": "500ms", "routes": [{"receiver": "pager", "repeat_interval": "60000ms"}],
    }  # fmt: skip


def test_an_alert_is_resolved_when_each_of_its_kind_is() -> None:
    receiver, lag = Receiver(), Expected("Lag", {"job": "a"})
    one, two = ({"alertname": "Lag", "job": "a", "topic": topic} for topic in ("x", "y"))
    other = {"alertname": "Lag", "job": "b"}
    receiver.notices = [Notice(1, "r", True, one), Notice(2, "r", True, two), Notice(3, "r", False, one)]
    assert receiver.resolved(lag) is None
    receiver.notices += [Notice(4, "r", False, two), Notice(5, "r", True, other)]
    assert receiver.resolved(lag) == 4
    assert receiver.fired(lag, since=2) == Notice(2, "r", True, two)
    assert receiver.fired(lag, since=3) is None
    assert receiver.names(0, 4) == {"Lag"}
    assert receiver.names(6, 9) == set()
