"""Every Deployment is restarted while customers buy, and none of their requests fails."""

from pathlib import Path

from tools.kubernetes.live.client import Client
from tools.kubernetes.live.kubectl import Kubectl
from tools.kubernetes.live.progress import note
from tools.kubernetes.live.traffic import Traffic, during
from tools.kubernetes.names import NAMESPACE, SERVICE_NAMES

SERVING = ("api", "worker")


def restart_under_load(kubectl: Kubectl, client: Client, file: Path | None, invoices: int | None) -> str:
    """Raises: StepFailed, ClusterError."""

    def restart(_: Traffic) -> None:
        for service in SERVICE_NAMES:
            workloads = [f"deployment/{service}-{component}" for component in SERVING]
            kubectl.run("--namespace", NAMESPACE, "rollout", "restart", *workloads)
            for workload in workloads:
                kubectl.rolled_out(NAMESPACE, workload)
            note(f"{service}: api and worker replaced")

    traffic = during(client, restart, file=file, invoices=invoices)
    return f"{len(SERVICE_NAMES) * len(SERVING)} Deployments restarted; {traffic.verdict()}"
