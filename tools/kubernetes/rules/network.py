"""Network policies: those of the table and no others, and they let through what the shop needs."""

from collections.abc import Iterator

from tools.kubernetes.access import PLACES, SENDS_MAIL, STORES_IMAGES
from tools.kubernetes.cluster import Cluster, Manifest, title, where
from tools.kubernetes.names import COMPONENTS, HTTP_PORT, NAMESPACE, OPERATIONS_PORT, POSTGRES_PORT, SERVICE_NAMES
from tools.kubernetes.policies import default_deny, policies
from tools.kubernetes.reach import PUBLIC, Endpoint, Firewall, Target


def everything_is_denied_by_default(cluster: Cluster) -> Iterator[str]:
    deny = default_deny()
    found = cluster.find("NetworkPolicy", *where(deny))
    if found is None or found["spec"] != deny["spec"]:
        yield f"no policy denies every pod of {NAMESPACE} all connections in both directions"


def policies_are_those_of_the_table(cluster: Cluster) -> Iterator[str]:
    """Every connection that a policy allows is in `tools.kubernetes.access`."""
    wanted = {where(each): each for place in PLACES[cluster.overlay] for each in policies(place)}
    found = {where(each): each for each in cluster.kind("NetworkPolicy")}
    for key, policy in found.items():
        if key not in wanted:
            yield f"{title(policy)}: allows connections that tools/kubernetes/access.py does not have"
        elif policy["spec"] != wanted[key]["spec"]:
            yield f"{title(policy)}: allows other connections than tools/kubernetes/access.py says"
    yield from (f"{title(wanted[key])} is missing" for key in wanted.keys() - found.keys())


def needed_connections_are_allowed(cluster: Cluster) -> Iterator[str]:
    """Judged by the policies as a network plugin reads them, and written down apart from the table."""
    firewall = Firewall(list(cluster.kind("NetworkPolicy")))
    for caller, target, what in needed(cluster):
        if not firewall.allows(caller, target):
            yield f"{caller.title} can't reach {target.title} ({what})"
    for caller, target, what in _forbidden(cluster):
        if firewall.allows(caller, target):
            yield f"{caller.title} can reach {target.title} ({what})"


GATEWAY = Endpoint("gateway", {"online-mart/role": "gateway"}, {})
MONITORING = Endpoint("monitoring", {"online-mart/role": "monitoring"}, {})
STRANGER = Endpoint("default", {}, {})
DNS = Endpoint("kube-system", {"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"})

Connection = tuple[Endpoint, Target, str]


def needed(cluster: Cluster) -> Iterator[Connection]:
    for service in SERVICE_NAMES:
        for component in COMPONENTS:
            pod = _pod(cluster, service, component)
            yield from ((pod, Target(DNS, 53, protocol), "names") for protocol in ("UDP", "TCP"))
            yield pod, Target(_database(cluster, service), POSTGRES_PORT), "its database"
        api, worker = _pod(cluster, service, "api"), _pod(cluster, service, "worker")
        yield GATEWAY, Target(api, HTTP_PORT), "requests"
        yield worker, _broker(cluster), "events"
        for pod in (api, worker):
            yield MONITORING, Target(pod, OPERATIONS_PORT), "metrics"
            if service != "user":
                yield pod, Target(_pod(cluster, "user", "api"), HTTP_PORT), "keys"
            if service == "order":
                yield pod, _outside(cluster, "gateway", 8005, 443), "the payment gateway"
            if service in STORES_IMAGES and cluster.overlay == "production":
                yield pod, Target(Endpoint("public", {}, {}, address=PUBLIC), 443), "the bucket of images"
        if service in SENDS_MAIL:
            yield worker, _outside(cluster, "mailbox", 1025, 587), "the mail server"


def _forbidden(cluster: Cluster) -> Iterator[Connection]:
    for service in SERVICE_NAMES:
        api = _pod(cluster, service, "api")
        yield STRANGER, Target(api, HTTP_PORT), "only gateways and services may"
        yield GATEWAY, Target(api, OPERATIONS_PORT), "metrics are not public"
        yield api, Target(Endpoint("public", {}, {}, address=PUBLIC), 80), "nothing is on port 80"
        for other in SERVICE_NAMES:
            if other != service:
                yield api, Target(_database(cluster, other), POSTGRES_PORT), "another service's database"
                if other != "user":
                    yield api, Target(_pod(cluster, other, "api"), HTTP_PORT), "services talk by events"


def _pod(cluster: Cluster, service: str, component: str) -> Endpoint:
    """As the manifests label it, so that a policy that selects by another label is found."""
    for each in cluster.of_services:
        if (each.service, each.component) == (service, component):
            return Endpoint(NAMESPACE, _namespace(NAMESPACE), dict(each.labels))
    return Endpoint(NAMESPACE, {}, {"missing": f"{service}-{component}"})


def _database(cluster: Cluster, service: str) -> Endpoint:
    """A pod of CloudNativePG's, or the one that stands in for all five: then only the caller's side can be judged."""
    namespace = f"{NAMESPACE}-data"
    own = {f"online-mart/database-{service}": "true"}
    if cluster.overlay == "production":
        own["cnpg.io/cluster"] = f"{service}-database"
    return Endpoint(namespace, _namespace(namespace), own)


def _broker(cluster: Cluster) -> Target:
    namespace = f"{NAMESPACE}-data"
    if cluster.overlay == "local":
        return Target(Endpoint(namespace, _namespace(namespace), {"app.kubernetes.io/name": "kafka"}), 9092)
    labels = {"strimzi.io/cluster": "kafka", "strimzi.io/pool-name": "brokers"}
    return Target(Endpoint(namespace, _namespace(namespace), labels), 9093)


def _outside(cluster: Cluster, name: str, port: int, public_port: int) -> Target:
    if cluster.overlay == "production":
        return Target(Endpoint("public", {}, {}, address=PUBLIC), public_port)
    namespace = f"{NAMESPACE}-sandbox"
    return Target(Endpoint(namespace, _namespace(namespace), {"app.kubernetes.io/name": name}), port)


def _namespace(name: str) -> Manifest:
    return {"kubernetes.io/metadata.name": name}
