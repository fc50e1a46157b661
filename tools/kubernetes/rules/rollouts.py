"""What keeps the services answering while pods come and go."""

from collections.abc import Iterator

from service_kit.settings import ServiceSettings
from tools.kubernetes.cluster import Cluster, Workload, selects, where
from tools.kubernetes.names import OPERATIONS_PORT

PROBES = {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
GRACEFUL_STOP_SECONDS: float = ServiceSettings.model_fields["graceful_stop_seconds"].default
SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


def probes_go_over_http(cluster: Cluster) -> Iterator[str]:
    """A probe by exec would start a Python process each time."""
    for workload in cluster.deployments:
        [container] = workload.pod["containers"]
        ports = {port.get("name"): port["containerPort"] for port in container.get("ports", [])}
        for probe, path in PROBES.items():
            get = container.get(probe, {}).get("httpGet", {})
            if get.get("path") != path or ports.get(get.get("port"), get.get("port")) != OPERATIONS_PORT:
                yield f"{workload.title}: its {probe} does not get {path} on the operations port"


def rollouts_keep_all_replicas(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.deployments:
        rolling = workload.spec.get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0 or not rolling.get("maxSurge"):
            yield f"{workload.title}: a rollout may stop a pod before its successor is ready (maxUnavailable: 0)"
        if not workload.spec.get("minReadySeconds"):
            yield f"{workload.title}: a pod counts as available as soon as it is ready once (minReadySeconds)"


def pods_have_time_to_stop(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.deployments:
        if workload.pod.get("terminationGracePeriodSeconds", 30) < GRACEFUL_STOP_SECONDS + 5:
            yield f"{workload.title}: is killed before GRACEFUL_STOP_SECONDS and five more have passed"


def pods_are_spread(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.deployments:
        constraints = workload.pod.get("topologySpreadConstraints", [])
        for key in SPREAD_OVER:
            if not any(_spreads(each, key, workload) for each in constraints):
                yield f"{workload.title}: the pods of a release are not spread over {key}"


def _spreads(constraint: dict[str, object], key: str, workload: Workload) -> bool:
    selector = constraint.get("labelSelector")
    return (
        constraint.get("topologyKey") == key
        and constraint.get("matchLabelKeys") == ["pod-template-hash"]
        and isinstance(selector, dict)
        and selects(selector, workload.labels)
    )


def disruptions_have_a_budget(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.deployments:
        budgets = [
            each["spec"]
            for each in cluster.kind("PodDisruptionBudget")
            if where(each)[0] == workload.namespace and selects(each["spec"].get("selector"), workload.labels)
        ]
        if len(budgets) != 1:  # the Eviction API rejects every request for a pod with two
            yield f"{workload.title}: {len(budgets)} budgets select its pods"
        elif budgets[0].get("maxUnavailable") != 1 or budgets[0].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{workload.title}: its budget is not maxUnavailable: 1 with unhealthyPodEvictionPolicy: AlwaysAllow"


def workers_are_never_scaled_to_zero(cluster: Cluster) -> Iterator[str]:
    """The outbox's relay and all jobs run in workers."""
    for workload in cluster.deployments:
        scaled = _autoscaled(cluster, workload)
        if scaled == 0 or workload.spec.get("replicas") == 0:
            yield f"{workload.title}: may have no pod at all"
        if scaled is None and "replicas" not in workload.spec:
            yield f"{workload.title}: has neither a number of replicas nor an autoscaler"
        if scaled is not None and "replicas" in workload.spec:
            yield f"{workload.title}: has replicas, so each apply would undo what its autoscaler did"


def _autoscaled(cluster: Cluster, workload: Workload) -> int | None:
    """The least number of pods that the workload's autoscaler leaves it; None: it has none."""
    least = {"HorizontalPodAutoscaler": ("minReplicas", 1), "ScaledObject": ("minReplicaCount", 0)}
    for scaler in cluster.kind(*least):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        if (where(scaler)[0], target) == (workload.namespace, workload.name):
            field, default = least[scaler["kind"]]
            return int(scaler["spec"].get(field, default))
    return None
