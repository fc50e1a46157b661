"""Installs the overlay `local` as deploy/README.md tells an operator to, and waits until everything serves."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from local_stack.environment import ROOT
from tools.kubernetes import secrets
from tools.kubernetes.cluster import Cluster, Manifest, Workload
from tools.kubernetes.live.kubectl import ClusterError, Kubectl
from tools.kubernetes.live.progress import note
from tools.kubernetes.live.settings import NAMESPACES, Settings
from tools.kubernetes.names import NAMESPACE, PART_OF, rendered

SECRETS = ROOT / ".local" / "kubernetes" / "secrets"


def install(settings: Settings) -> str:
    """Raises: ClusterError."""
    kubectl, cluster = settings.kubectl, Cluster.of("local")
    if settings.build:
        run("docker", "compose", "build", cwd=ROOT)
        note("images built")
    names = sorted({container["image"] for workload in cluster.workloads for container in workload.containers})
    run(*settings.load_image, *names)
    note(f"{len(names)} images loaded")
    kubectl.run("apply", "--server-side", "--filename=-", stdin=secrets.local_as_json(SECRETS))
    note("secrets applied")
    kubectl.run("apply", "--server-side", "--force-conflicts", f"--filename={rendered('local')}")
    if settings.dns_address:
        kubectl.apply([names_from(settings.dns_address)])
    note(f"{len(cluster.objects)} objects applied")
    wait(kubectl, cluster.workloads)
    ready, complete = _count(cluster, "Deployment"), _count(cluster, "Job")
    return f"{ready} Deployments ready, {complete} Jobs complete; {restarts(kubectl)}"


def run(*command: str, cwd: Path | None = None) -> None:
    """Raises: ClusterError."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")


def names_from(address: str) -> Manifest:
    """A policy that lets the services ask a name server of the node, which is no pod that a policy could select."""
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "names-from-the-node", "namespace": NAMESPACE},
        "spec": {
            "podSelector": {"matchLabels": {PART_OF: "online-mart"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": ports}],
        },
    }


def wait(kubectl: Kubectl, workloads: list[Workload]) -> None:
    """Raises: ClusterError."""
    for each in workloads:
        if each.kind in ("StatefulSet", "Deployment"):
            kubectl.rolled_out(each.namespace, f"{each.kind.lower()}/{each.name}")
    note("every pod is ready")
    for each in workloads:
        if each.kind == "Job":
            completed(kubectl, each.namespace, each.name)
    note("every Job is complete")


def completed(kubectl: Kubectl, namespace: str, job: str) -> None:
    kubectl.run(
        "--namespace", namespace, "wait", f"job/{job}", "--for=condition=Complete", "--timeout=600s", timeout=630
    )


def restarts(kubectl: Kubectl) -> str:
    """`no container was restarted`, or which ones were, how often."""
    found = sorted(_restarted(kubectl))
    return f"restarted: {', '.join(found)}" if found else "no container was restarted"


def _restarted(kubectl: Kubectl) -> Iterator[str]:
    for namespace in NAMESPACES:
        for pod in kubectl.get("--namespace", namespace, "pods")["items"]:
            count = sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
            if count:
                yield f"{pod['metadata']['name']} {count} times"


def _count(cluster: Cluster, kind: str) -> int:
    return sum(each.kind == kind for each in cluster.workloads)
