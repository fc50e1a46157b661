"""A cluster gets the rules and dashboards of deploy/monitoring, and the label `job` that they need."""

import json
import re

import yaml

from local_stack.parts import SERVICES
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.monitoring import DASHBOARD, MONITORING

PRODUCTION = Cluster.of("production")
ANNOTATION_BYTES = 256 * 1024
"""What Kubernetes stores in the annotations of one object, `kubectl apply` included."""


def test_the_rules_are_those_of_monitoring() -> None:
    [rules] = PRODUCTION.kind("PrometheusRule")
    assert rules["spec"]["groups"] == yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]


def test_each_dashboard_is_a_config_map_that_grafana_finds() -> None:
    found = {}
    for each in PRODUCTION.kind("ConfigMap"):
        if DASHBOARD.items() <= each["metadata"].get("labels", {}).items():
            [text] = each["data"].values()
            assert len(text) < ANNOTATION_BYTES
            found[each["metadata"]["name"]] = json.loads(text)
    files = (MONITORING / "dashboards").glob("*.json")
    assert found == {f"dashboard-{file.stem}": json.loads(file.read_text()) for file in files}
    assert len(found) > len(SERVICES)


def test_the_job_is_the_service_s_package() -> None:
    [monitor] = PRODUCTION.kind("PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    [to_job] = [each for each in endpoint["relabelings"] if each["targetLabel"] == "job"]
    assert to_job["sourceLabels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    # `$1_service` would be a group called `1_service`, which is empty.
    [before, after] = re.split(r"\$\{1\}", to_job["replacement"])
    assert {f"{before}{service.name}{after}" for service in SERVICES} == {service.package for service in SERVICES}
