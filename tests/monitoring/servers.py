"""A real Prometheus and a real Alertmanager, as child processes, with the rules and routes of deploy/monitoring."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.monitoring.__main__ import HERE
from deploy.monitoring.rules import Group
from local_stack.environment import ROOT
from local_stack.process import EmbeddedServer
from tests.monitoring.receiver import Expected
from tests.monitoring.scaling import scaled_route

INTERVAL = "1s"
"""Between two scrapes, and between two evaluations of the rules."""
RESEND = "10s"
"""Prometheus finds Alertmanager some seconds after its start; an alert that fires before is sent again."""
PACKAGES = {"prometheus": ("prometheus",), "prometheus-alertmanager": ("prometheus-alertmanager", "alertmanager")}
"""Debian's packages, and the names under which they or others install the program."""
MEMORY = Path("/dev/shm")

POD_MONITOR = ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "pod-monitor.yaml"
POD_LABEL = "__meta_kubernetes_pod_label_app_kubernetes_io_"
OPERATORS_NAMES = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
"""Fields of the Prometheus operator that Prometheus itself spells otherwise."""

Targets = Mapping[str, Sequence[str]]
"""The addresses of processes, by service (`order`)."""


def missing(*packages: str) -> str:
    """A sentence that names those of the packages that are not installed; empty if all are."""
    absent = [package for package in packages if not _program(package)]
    return f"needed: apt-get install {' '.join(absent)}" if absent else ""


def _program(package: str) -> str | None:
    return next(filter(None, map(shutil.which, PACKAGES[package])), None)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for their data: in memory if possible, since both wait for the disk again and again."""
    with tempfile.TemporaryDirectory(prefix="monitoring-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


class _Server(EmbeddedServer):
    start_seconds = 60
    package: str

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(self.package, directory / self.package, port, None)
        self.url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", verify=False).is_success
        except httpx.TransportError:
            return False

    def program(self) -> str:
        found = _program(self.package)
        assert found, missing(self.package)
        return found

    def write(self, name: str, content: Any) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / name).write_text(yaml.safe_dump(content))


class Prometheus(_Server):
    package = "prometheus"

    def __init__(
        self, directory: Path, port: int, groups: Sequence[Group], targets: Targets, alertmanager: str = ""
    ) -> None:
        super().__init__(directory, port)
        self._groups = groups
        self._targets = targets
        self._alertmanager = alertmanager.removeprefix("http://")

    def prepare(self) -> None:
        self.write("rules.yaml", {"groups": [group.as_group() for group in self._groups]})
        managers = [{"static_configs": [{"targets": [self._alertmanager]}]}] if self._alertmanager else []
        config = {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": managers},
            "scrape_configs": [
                {
                    "job_name": "services",
                    "file_sd_configs": [{"files": ["targets.json"]}],
                    "relabel_configs": _relabelings(),
                }
            ],
        }
        self.write("prometheus.yaml", config)
        self.add_targets({})

    def add_targets(self, more: Targets) -> None:
        """Scrapes these processes too; empty: none but those of the beginning."""
        groups = [
            {"targets": addresses, "labels": {f"{POD_LABEL}name": service, f"{POD_LABEL}component": "all"}}
            for service, addresses in (*self._targets.items(), *more.items())
        ]
        draft = self.data_dir / "targets.draft"
        draft.write_text(json.dumps(groups))
        draft.replace(self.data_dir / "targets.json")

    def command(self) -> list[str]:
        return [
            self.program(), f"--config.file={self.data_dir / 'prometheus.yaml'}", "--log.level=warn",
            f"--storage.tsdb.path={self.data_dir / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
            f"--rules.alert.resend-delay={RESEND}",
        ]  # fmt: skip

    async def series(self, expr: str) -> list[dict[str, Any]]:
        """The result of a query now. Fails if Prometheus rejects it."""
        async with httpx.AsyncClient(verify=False, timeout=30) as client:
            answer = (await client.get(f"{self.url}/api/v1/query", params={"query": expr})).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def states(self, expected: Expected) -> str:
        """In which states the alert was in the last quarter of an hour, whether or not the receiver was notified."""
        labels = {"alertname": expected.alert, **expected.labels}
        selector = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        found = await self.series(f"count_over_time(ALERTS{{{selector}}}[15m])")
        seconds = {each["metric"]["alertstate"]: each["value"][1] for each in found}
        return ", ".join(f"{state} {count} times" for state, count in sorted(seconds.items())) or "never active"


def _relabelings() -> list[dict[str, Any]]:
    """Those of the PodMonitor: the label `job` that the rules need is made here as it is made in a cluster."""
    [endpoint] = yaml.safe_load(POD_MONITOR.read_text())["spec"]["podMetricsEndpoints"]
    return [
        {OPERATORS_NAMES.get(name, name): value for name, value in each.items()} for each in endpoint["relabelings"]
    ]


class Alertmanager(_Server):
    """Routes and inhibits as deploy/monitoring/alertmanager.yaml says; each of its receivers is a path of `webhooks`,
    which are called with `token`."""

    package = "prometheus-alertmanager"

    def __init__(self, directory: Path, port: int, webhooks: str, token: str) -> None:
        super().__init__(directory, port)
        self._webhooks = webhooks
        self._token = token

    def prepare(self) -> None:
        config = yaml.safe_load((HERE / "alertmanager.yaml").read_text())
        config["route"] = scaled_route(config["route"])
        token = self.data_dir / "token"
        credentials = {"authorization": {"credentials_file": str(token)}}
        for receiver in config["receivers"]:
            [webhook] = receiver["webhook_configs"]
            webhook |= {"url": f"{self._webhooks}/{receiver['name']}", "http_config": credentials}
        self.write("alertmanager.yaml", config)
        token.write_text(self._token)

    def command(self) -> list[str]:
        return [
            self.program(), f"--config.file={self.data_dir / 'alertmanager.yaml'}", "--log.level=warn",
            f"--storage.path={self.data_dir / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]  # fmt: skip
