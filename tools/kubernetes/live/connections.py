"""The firewall lets through what `tools.kubernetes.access` says: every pod tries to connect to every server.

The servers are those of the shop. Only for databases, and for callers that are not running now, there are pods with the
labels of the real ones: the server that stands in for all five databases carries the labels of each.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.kubernetes import access
from tools.kubernetes.access import Namespaces, Pods
from tools.kubernetes.cluster import Manifest
from tools.kubernetes.live import connect
from tools.kubernetes.live.client import IDLE, POD, pod_like_demo
from tools.kubernetes.live.kubectl import Kubectl, StepFailed
from tools.kubernetes.live.progress import note
from tools.kubernetes.names import (
    COMPONENT,
    DATA_NAMESPACE,
    HTTP_PORT,
    NAME,
    NAMESPACE,
    OPERATIONS_PORT,
    PART_OF,
    POSTGRES_PORT,
    ROLE,
    SANDBOX_NAMESPACE,
    SERVICE_NAMES,
    database_label,
)

MONITORING, STRANGERS = "online-mart-check-monitoring", "online-mart-check-strangers"
NAMESPACE_LABELS: Mapping[str, Mapping[str, str]] = {
    NAMESPACE: {},
    DATA_NAMESPACE: {},
    SANDBOX_NAMESPACE: {ROLE: "gateway"},
    MONITORING: {ROLE: "monitoring"},
    STRANGERS: {},
}
_SERVER = f"""
import socket
server = socket.create_server(("", {POSTGRES_PORT}), backlog=64)
while True:
    server.accept()[0].close()
"""
LISTEN = ["python", "-c", _SERVER]
ATTEMPTS = 6
"""A firewall learns of a new pod some seconds after it runs."""


@dataclass(frozen=True)
class RunningPod:
    name: str
    namespace: str
    labels: Mapping[str, str]
    address: str

    @classmethod
    def of(cls, pod: Manifest) -> "RunningPod":
        metadata = pod["metadata"]
        return cls(metadata["name"], metadata["namespace"], metadata.get("labels", {}), pod["status"]["podIP"])

    def has(self, labels: Iterable[tuple[str, str]]) -> bool:
        return all(self.labels.get(key) == value for key, value in labels)


Server = tuple[RunningPod, int]


def expected(caller: RunningPod, callee: RunningPod, port: int) -> bool:
    """What the table says. Neither side of a connection is restricted if no policy governs it."""
    ways = [way for place in access.PLACES["local"] for way in access.ways() if way.place == place]
    governed = {way.callee for way in ways if isinstance(way.callee, Pods) and way.callee.policy}
    if any(_is(way.caller, caller) and _is(way.callee, callee) and port in way.ports for way in ways):
        return True
    return NAMESPACE not in (caller.namespace, callee.namespace) and not any(_is(each, callee) for each in governed)


def _is(side: Pods | Namespaces | access.Internet, pod: RunningPod) -> bool:
    if isinstance(side, Pods):
        return side.namespace == pod.namespace and pod.has(side.labels)
    return isinstance(side, Namespaces) and NAMESPACE_LABELS[pod.namespace].get(side.label[0]) == side.label[1]


def try_all(kubectl: Kubectl) -> str:
    """Raises: StepFailed, ClusterError."""
    added = list(_added_pods())
    kubectl.apply([*_added_namespaces(), *added])
    try:
        for each in added:
            where, name = each["metadata"]["namespace"], each["metadata"]["name"]
            kubectl.run("--namespace", where, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=120s")
        note(f"{len(added)} pods added")
        pods = list(_running(kubectl))
        servers = list(_servers(pods))
        callers = [each for each in pods if _is_caller(each)]
        with ThreadPoolExecutor(2) as threads:
            tried = list(threads.map(lambda caller: _try(kubectl, caller, servers), callers))
    finally:
        for each in added:
            where, name = each["metadata"]["namespace"], each["metadata"]["name"]
            kubectl.run("--namespace", where, "delete", "pod", name, "--wait=false")
        kubectl.run("delete", "namespace", MONITORING, STRANGERS, "--wait=false")
    return _verdict(callers, servers, tried)


def _verdict(callers: list[RunningPod], servers: list[Server], tried: list[tuple[int, int, list[str]]]) -> str:
    wrong = [each for _, _, found in tried for each in found]
    if wrong:
        raise StepFailed(f"{len(wrong)} connections differ from the table: {'; '.join(wrong)}")
    allowed, denied = sum(each[0] for each in tried), sum(each[1] for each in tried)
    return (
        f"{allowed + denied} connections of {len(callers)} callers to {len(servers)} servers are as the table says: "
        f"{allowed} accepted, {denied} rejected; those to the internet were not tried"
    )


def _try(kubectl: Kubectl, caller: RunningPod, servers: list[Server]) -> tuple[int, int, list[str]]:
    """The numbers of accepted and of rejected connections, and those that differ from the table at last."""
    others = {f"{pod.name}:{port}": (pod, port) for pod, port in servers if pod.name != caller.name}
    wanted = {name for name, (pod, port) in others.items() if expected(caller, pod, port)}
    targets = {name: (pod.address, port) for name, (pod, port) in others.items()}
    code, argument = Path(connect.__file__).read_text(), json.dumps(targets)
    for _ in range(ATTEMPTS):
        accepted = set(json.loads(kubectl.exec(caller.namespace, caller.name, "python", "-c", code, argument)))
        if accepted == wanted:
            break
    wrong = [f"{caller.name} reaches {each}" for each in sorted(accepted - wanted)]
    wrong += [f"{caller.name} does not reach {each}" for each in sorted(wanted - accepted)]
    return len(accepted), len(others) - len(accepted), wrong


def _running(kubectl: Kubectl) -> Iterator[RunningPod]:
    for namespace in NAMESPACE_LABELS:
        for pod in kubectl.get("--namespace", namespace, "pods")["items"]:
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]:
                yield RunningPod.of(pod)


def _is_caller(pod: RunningPod) -> bool:
    """PostgreSQL and Kafka have no Python; as callers they are strangers, like the databases beside them."""
    return pod.labels.get(NAME) not in ("postgres", "kafka")


def _servers(pods: list[RunningPod]) -> Iterator[Server]:
    ports = {
        "api": (HTTP_PORT, OPERATIONS_PORT),
        "worker": (OPERATIONS_PORT,),
        "postgres": (POSTGRES_PORT,),
        "kafka": (9092,),
        "gateway": (8005,),
        "mailbox": (1025, 8025),
        "database": (POSTGRES_PORT,),
    }
    for pod in pods:
        kind = pod.labels.get(COMPONENT) or pod.labels.get(NAME, "")
        yield from ((pod, port) for port in ports.get(kind, ()))


def _added_namespaces() -> Iterator[Manifest]:
    for name in (MONITORING, STRANGERS):
        labels = {"pod-security.kubernetes.io/enforce": "restricted", **NAMESPACE_LABELS[name]}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _added_pods() -> Iterator[Manifest]:
    for service in SERVICE_NAMES:
        labels = {NAME: service, COMPONENT: "migrate", PART_OF: "online-mart"}
        yield pod_like_demo(f"check-{service}-migrate", NAMESPACE, labels, IDLE)
        labels = {NAME: "database", database_label(service): "true"}
        yield pod_like_demo(f"check-{service}-database", DATA_NAMESPACE, labels, LISTEN)
    for name, namespace in (("setup", DATA_NAMESPACE), ("demo", SANDBOX_NAMESPACE)):
        yield pod_like_demo(f"check-{name}", namespace, {NAME: name}, IDLE)
    for namespace in (MONITORING, STRANGERS):
        yield pod_like_demo(namespace.removeprefix("online-mart-"), namespace, {NAME: POD}, IDLE)
