"""What deploy/monitoring holds, as objects of the Prometheus operator and ConfigMaps that Grafana's sidecar loads."""

import json
from typing import Any

import yaml

from local_stack.environment import ROOT
from tools.kubernetes.names import NAMESPACE

Manifest = dict[str, Any]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD = {"grafana_dashboard": "1"}
"""The label by which the sidecar of Grafana's Helm chart finds dashboards."""


def rules() -> list[Manifest]:
    groups = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
    metadata = {"name": "online-mart", "namespace": NAMESPACE}
    return [
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata,
         "spec": {"groups": groups}},
    ]  # fmt: skip


def dashboards() -> list[Manifest]:
    """One ConfigMap for each, since the sum would exceed what `kubectl apply` can store in an annotation."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"dashboard-{file.stem}", "namespace": NAMESPACE, "labels": DASHBOARD},
            "data": {f"online-mart-{file.name}": json.dumps(json.loads(file.read_text()), separators=(",", ":"))},
        }
        for file in sorted((MONITORING / "dashboards").glob("*.json"))
    ]
