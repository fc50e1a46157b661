"""An API grows under load and shrinks after it."""

import time
from collections.abc import Callable

from tools.kubernetes.live.client import READS, Client, url
from tools.kubernetes.live.kubectl import Kubectl, StepFailed
from tools.kubernetes.live.progress import note
from tools.kubernetes.names import NAMESPACE

API = "product-api"
# The target of production would take more CPU than a small node has; the window of five minutes would only take time.
CPU, WINDOW_SECONDS = "150m", 15
TIMEOUT_SECONDS = 300.0


def grow_and_shrink(kubectl: Kubectl, client: Client) -> str:
    """Raises: StepFailed, ClusterError."""
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": CPU}}}
    scaler = kubectl.get("--namespace", NAMESPACE, "hpa", API)["spec"]
    behaviour = {"scaleDown": {"stabilizationWindowSeconds": WINDOW_SECONDS}}
    kubectl.patch("hpa", NAMESPACE, API, {"spec": {"metrics": [cpu], "behavior": behaviour}})
    least = int(scaler["minReplicas"])
    try:
        _until(kubectl, lambda replicas: replicas == least, f"{least} replicas before the load")
        began = time.monotonic()
        with client.load({"product": url("product") + READS["product"]}, at_once=16, pause=0):
            most = _until(kubectl, lambda replicas: replicas > least, "more replicas under load")
            grown = time.monotonic() - began
            kubectl.rolled_out(NAMESPACE, f"deployment/{API}")
            note(f"{API}: {most} replicas")
        began = time.monotonic()
        _until(kubectl, lambda replicas: replicas == least, f"{least} replicas after the load")
        shrunk = time.monotonic() - began
    finally:
        kubectl.patch(
            "hpa", NAMESPACE, API, {"spec": {"metrics": scaler["metrics"], "behavior": scaler.get("behavior")}}
        )
    return (
        f"{API} under load: {least} → {most} replicas after {grown:.0f} s, {least} again {shrunk:.0f} s after it "
        f"(for the check: {CPU} CPU a pod, a window of {WINDOW_SECONDS} s)"
    )


def _until(kubectl: Kubectl, is_met: Callable[[int], bool], what: str) -> int:
    """The number of replicas that meets the condition. Raises: StepFailed."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        replicas = int(kubectl.get("--namespace", NAMESPACE, "deployment", API)["spec"]["replicas"])
        if is_met(replicas):
            return replicas
        if time.monotonic() > deadline:
            status = kubectl.run("--namespace", NAMESPACE, "describe", "hpa", API)
            raise StepFailed(
                f"{API} has {replicas} replicas, not {what}, for {TIMEOUT_SECONDS:.0f} s: {status[-1500:]}"
            )
        time.sleep(1)
