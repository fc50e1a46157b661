"""Names in one object that another must have."""

from collections.abc import Iterator

from tools.kubernetes.cluster import Cluster, Manifest, Workload, selects, title, where


def references_lead_somewhere(cluster: Cluster) -> Iterator[str]:
    """ConfigMaps and service accounts, the targets of autoscalers, the backends of routes."""
    for workload in cluster.workloads:
        for kind, name in _named_by(workload):
            if cluster.find(kind, workload.namespace, name) is None:
                yield f"{workload.title}: there is no {kind} {name}"
    for scaler in cluster.kind("HorizontalPodAutoscaler", "ScaledObject"):
        name = scaler["spec"]["scaleTargetRef"]["name"]
        if cluster.find("Deployment", where(scaler)[0], name) is None:
            yield f"{title(scaler)}: there is no Deployment {name}"
    for route in cluster.kind("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                if not _offers(cluster.find("Service", where(route)[0], backend["name"]), backend["port"]):
                    yield f"{title(route)}: there is no Service {backend['name']} with the port {backend['port']}"


def _named_by(workload: Workload) -> Iterator[tuple[str, str]]:
    if account := workload.pod.get("serviceAccountName"):
        yield "ServiceAccount", account
    if workload.kind == "StatefulSet":
        yield "Service", workload.spec["serviceName"]
    for container in workload.containers:
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield "ConfigMap", source["configMapRef"]["name"]


def _offers(service: Manifest | None, port: int) -> bool:
    return service is not None and any(each["port"] == port for each in service["spec"]["ports"])


def services_select_pods(cluster: Cluster) -> Iterator[str]:
    """A Service selects the pods of one workload, and each of its ports is one that these pods name."""
    for service in cluster.kind("Service"):
        selector = {"matchLabels": service["spec"].get("selector", {})}
        found = [
            each for each in cluster.workloads if each.namespace == where(service)[0] and selects(selector, each.labels)
        ]
        if len(found) != 1:
            yield f"{title(service)}: selects the pods of {len(found)} workloads"
            continue
        ports = {port["name"] for container in found[0].containers for port in container.get("ports", [])}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in ports:
                yield f"{title(service)}: {found[0].title} has no port {port['targetPort']}"
    for workload in cluster.deployments:
        if not selects(workload.spec.get("selector"), workload.labels):
            yield f"{workload.title}: its selector does not select its own pods"
