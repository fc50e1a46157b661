"""A pod that calls the services from inside the cluster, as other clients there do.

A forwarded port would end in one pod, and break with it.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.kubernetes.cluster import Cluster, Manifest
from tools.kubernetes.live import load
from tools.kubernetes.live.kubectl import ClusterError, Kubectl, StepFailed, exec_arguments
from tools.kubernetes.names import NAME, NAMESPACE, SANDBOX_NAMESPACE, SERVICE_NAMES

POD = "check-client"
READS = {
    "user": "/users/me",
    "product": "/products",
    "inventory": "/warehouses",
    "order": "/orders",
    "notification": "/notifications",
}
"""A request of each service that its database answers."""
REPLAY_SECONDS = 1800


def url(service: str) -> str:
    return f"http://{service}-api.{NAMESPACE}"


def pod_like_demo(name: str, namespace: str, labels: Mapping[str, str], command: list[str]) -> Manifest:
    """A pod with the image and the restrictions of the demo's Job."""
    demo = Cluster.of("local").find("Job", SANDBOX_NAMESPACE, "demo")
    assert demo is not None  # the overlay has it
    spec: Manifest = demo["spec"]["template"]["spec"]
    spec["terminationGracePeriodSeconds"] = 1
    container = spec["containers"][0]
    del container["args"]
    container["command"] = command
    container["resources"]["limits"]["memory"] = "768Mi"
    if namespace != SANDBOX_NAMESPACE:
        spec["volumes"] = [each for each in spec["volumes"] if "secret" not in each]
        container["volumeMounts"] = [each for each in container["volumeMounts"] if each["name"] != "secrets"]
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


IDLE = ["python", "-c", "import time; time.sleep(86400)"]


class Client:
    """Commands in the pod."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    def start(self) -> None:
        self._kubectl.apply([pod_like_demo(POD, SANDBOX_NAMESPACE, {NAME: POD}, IDLE)])
        self._kubectl.run(
            "--namespace", SANDBOX_NAMESPACE, "wait", f"pod/{POD}", "--for=condition=Ready", "--timeout=120s"
        )

    def replay(self, file: Path | None, *, invoices: int | None = None) -> dict[str, Any]:
        """The figures of a replay. Raises: StepFailed, if the books do not agree."""
        urls = [f"--url={service}={url(service)}" for service in SERVICE_NAMES]
        command = ["python", "-m", "tools", "replay", "--secrets=/secrets", *urls]
        if invoices:
            command.append(f"--invoices={invoices}")
        if file:
            copy = f"/tmp/sales{file.suffix}"
            write = f"import sys; open({copy!r}, 'wb').write(sys.stdin.buffer.read())"
            self._kubectl.exec(SANDBOX_NAMESPACE, POD, "python", "-c", write, stdin=file.read_bytes())
            command.append(copy)
        done = self._kubectl.attempt(*exec_arguments(SANDBOX_NAMESPACE, POD, *command), timeout=REPLAY_SECONDS)
        last = done.stdout.strip().rpartition("\n")[2]
        if not last.startswith("{"):
            raise StepFailed(f"The replay ended without a result: {done.stderr.strip()[-1500:]}")
        figures: dict[str, Any] = json.loads(last)
        if figures["mismatches"]:
            raise StepFailed(f"The books do not agree: {done.stdout[-3000:]}")
        return figures

    @contextmanager
    def load(self, urls: Mapping[str, str], *, at_once: int, pause: float) -> Iterator[dict[str, int]]:
        """Sends requests until the block ends; then the yielded dictionary has the number of each response."""
        setting = {"urls": urls, "sign_in": f"{url('user')}/auth/token", "at_once": at_once, "pause": pause}
        code, argument = Path(load.__file__).read_text(), json.dumps(setting)
        command = exec_arguments(SANDBOX_NAMESPACE, POD, "python", "-c", code, argument)
        responses: dict[str, int] = {}
        with subprocess.Popen(
            [*self._kubectl.command, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                yield responses
            finally:
                output, complaint = process.communicate(timeout=60)  # which closes its standard input
        if process.returncode:
            raise ClusterError(f"The load ended early: {complaint.decode(errors='replace')[-1500:]}")
        responses.update(json.loads(output))
