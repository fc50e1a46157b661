"""What every pod has to have: the workloads of the services, and the servers and tools of the local overlay."""

from collections.abc import Iterator

from service_kit.version import VERSION
from tools.kubernetes.cluster import Cluster, Workload

WRITES_ITS_ROOT = frozenset({"kafka"})
"""Containers whose images can't run on a read-only file system; the services' own are never among them."""


def every_workload_is_there(cluster: Cluster) -> Iterator[str]:
    yield from (f"{name} is missing" for name in cluster.missing_workloads())


def service_links_are_off(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.workloads:
        if workload.pod.get("enableServiceLinks") is not False:
            yield f"{workload.title}: enableServiceLinks is not false, so Services set variables such as ORDER_PORT"


def users_are_numeric_and_not_root(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.workloads:
        context = workload.pod.get("securityContext", {})
        numbers = [context.get("runAsUser"), context.get("runAsGroup")]
        if context.get("runAsNonRoot") is not True or not all(isinstance(each, int) and each > 0 for each in numbers):
            yield f"{workload.title}: needs runAsNonRoot, and a runAsUser and runAsGroup other than 0"
        for container in workload.containers:
            if overridden := container.get("securityContext", {}).keys() & {"runAsUser", "runAsGroup", "runAsNonRoot"}:
                yield f"{_title(workload, container)}: overrides the pod's {', '.join(sorted(overridden))}"


def root_file_systems_are_read_only(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.workloads:
        for container in workload.containers:
            exempt = workload.service is None and container["name"] in WRITES_ITS_ROOT
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True and not exempt:
                yield f"{_title(workload, container)}: readOnlyRootFilesystem is not true"


def capabilities_are_dropped(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.workloads:
        for container in workload.containers:
            context = container.get("securityContext", {})
            if context.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{_title(workload, container)}: does not drop all capabilities"
            if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
                yield f"{_title(workload, container)}: may gain privileges"


def seccomp_is_the_runtimes(cluster: Cluster) -> Iterator[str]:
    for workload in cluster.workloads:
        if workload.pod.get("securityContext", {}).get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{workload.title}: seccompProfile is not RuntimeDefault"


def no_token_is_mounted(cluster: Cluster) -> Iterator[str]:
    """Nothing of the shop calls the Kubernetes API."""
    for workload in cluster.workloads:
        if workload.pod.get("automountServiceAccountToken") is not False:
            yield f"{workload.title}: mounts a token for the Kubernetes API"


def memory_is_limited_and_cpu_is_not(cluster: Cluster) -> Iterator[str]:
    """A limit on CPU would throttle a process in the middle of a request although the node has time to spare."""
    for workload in cluster.workloads:
        for container in workload.containers:
            resources = container.get("resources", {})
            if "memory" not in resources.get("limits", {}):
                yield f"{_title(workload, container)}: has no memory limit"
            if "cpu" in resources.get("limits", {}):
                yield f"{_title(workload, container)}: has a CPU limit"
            if missing := {"cpu", "memory"} - resources.get("requests", {}).keys():
                yield f"{_title(workload, container)}: requests no {' and no '.join(sorted(missing))}"


def namespaces_are_restricted(cluster: Cluster) -> Iterator[str]:
    labels = {each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in cluster.kind("Namespace")}
    for namespace in sorted(
        {each["metadata"]["namespace"] for each in cluster.objects if "namespace" in each["metadata"]}
    ):
        if namespace not in labels:
            yield f"Namespace {namespace} is not among the objects"
        elif labels[namespace].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"Namespace {namespace} does not enforce the Pod Security standard restricted"
    for workload in cluster.workloads:
        if not workload.namespace:
            yield f"{workload.title}: has no namespace"


def images_are_pinned(cluster: Cluster) -> Iterator[str]:
    """In production all images of the services are of this version, or known by their digest."""
    for workload in cluster.workloads:
        for container in workload.containers:
            name, _, digest = container["image"].partition("@")
            tag = name.rpartition("/")[2].partition(":")[2]
            if not tag and not digest:
                yield f"{_title(workload, container)}: the image {name} has neither tag nor digest"
            if cluster.overlay == "production" and not digest and tag != VERSION:
                yield f"{_title(workload, container)}: the image is {tag or 'untagged'}, not {VERSION} or a digest"


def _title(workload: Workload, container: dict[str, str]) -> str:
    return f"{workload.title}, container {container['name']}"
