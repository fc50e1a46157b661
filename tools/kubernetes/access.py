"""Who may open a connection to whom in the cluster: the table that the network policies are generated from.

A connection that is not in the table is rejected on both sides: the namespace of the services denies everything by
default. The kubelet's probes need no entry, since a node always reaches its own pods.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tools.kubernetes.names import (
    COMPONENT,
    DATA_NAMESPACE,
    HTTP_PORT,
    KAFKA_CLUSTER,
    NAME,
    NAMESPACE,
    OPERATIONS_PORT,
    PART_OF,
    POSTGRES_PORT,
    ROLE,
    SANDBOX_NAMESPACE,
    SERVICE_NAMES,
    database_cluster,
    database_label,
)

Place = Literal["policies", "kafka-strimzi", "postgres-cnpg", "local", "production"]
"""The component or overlay that a connection belongs to."""
PLACES: dict[str, tuple[Place, ...]] = {
    "local": ("policies", "local"),
    "production": ("policies", "kafka-strimzi", "postgres-cnpg", "production"),
}
"""The places that each overlay has."""


@dataclass(frozen=True)
class Pods:
    """Pods of a namespace that have all of these labels. `policy`: the name of the policy that governs them, if any."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    policy: str = ""


@dataclass(frozen=True)
class Namespaces:
    """All pods of the namespaces that have this label."""

    label: tuple[str, str]


@dataclass(frozen=True)
class Internet:
    """Every public address; none of a private network."""


@dataclass(frozen=True)
class Way:
    """`caller` may connect to these ports of `callee`; over TCP unless a port says UDP."""

    caller: Pods | Namespaces
    callee: Pods | Internet
    ports: tuple[int, ...]
    place: Place
    reason: str
    protocols: tuple[Literal["TCP", "UDP"], ...] = field(default=("TCP",))


def workload(service: str, component: str) -> Pods:
    return Pods(NAMESPACE, ((NAME, service), (COMPONENT, component)), policy=f"{service}-{component}")


def database(service: str) -> Pods:
    return Pods(DATA_NAMESPACE, ((database_label(service), "true"),), policy=f"{service}-database")


def outside(name: str, namespace: str = SANDBOX_NAMESPACE, policy: str = "") -> Pods:
    """A server or a tool that only the local overlay has."""
    return Pods(namespace, ((NAME, name),), policy=policy)


EVERY_POD = Pods(NAMESPACE, ((PART_OF, "online-mart"),), policy="every-service")
DNS = Pods("kube-system", (("k8s-app", "kube-dns"),))
GATEWAYS = Namespaces((ROLE, "gateway"))
MONITORING = Namespaces((ROLE, "monitoring"))
POSTGRES_OPERATOR = Namespaces(("kubernetes.io/metadata.name", "cnpg-system"))
# Strimzi makes the policies of its brokers itself, from the listener's `networkPolicyPeers`.
STRIMZI_BROKERS = Pods(DATA_NAMESPACE, (("strimzi.io/cluster", KAFKA_CLUSTER), ("strimzi.io/pool-name", "brokers")))
LOCAL_BROKER = outside("kafka", DATA_NAMESPACE, policy="kafka")
SETUP = outside("setup", DATA_NAMESPACE)
SENDS_MAIL = ("user", "notification")
STORES_IMAGES = ("product",)


def ways() -> tuple[Way, ...]:
    return (*_everywhere(), *_to_servers_of_operators(), *_local(), *_production())


def _everywhere() -> Iterator[Way]:
    yield Way(EVERY_POD, DNS, (53,), "policies", "names", protocols=("UDP", "TCP"))
    for service in SERVICE_NAMES:
        api, worker, migrate = (workload(service, component) for component in ("api", "worker", "migrate"))
        yield Way(GATEWAYS, api, (HTTP_PORT,), "policies", "customers, staff and webhooks")
        for pods in (api, worker):
            yield Way(MONITORING, pods, (OPERATIONS_PORT,), "policies", "metrics")
            if service != "user":
                yield Way(pods, workload("user", "api"), (HTTP_PORT,), "policies", "keys that verify tokens")
        for pods in (api, worker, migrate):
            yield Way(pods, database(service), (POSTGRES_PORT,), "policies", "the service's own database")


def _to_servers_of_operators() -> Iterator[Way]:
    for service in SERVICE_NAMES:
        # An API publishes through the outbox: only workers talk to the broker.
        worker = workload(service, "worker")
        yield Way(worker, STRIMZI_BROKERS, (9093,), "kafka-strimzi", "events, over TLS")
        instances = Pods(DATA_NAMESPACE, (("cnpg.io/cluster", database_cluster(service)),))
        yield Way(instances, database(service), (POSTGRES_PORT, 8000), "postgres-cnpg", "replication")
        yield Way(POSTGRES_OPERATOR, database(service), (POSTGRES_PORT, 8000), "postgres-cnpg", "the operator")
        yield Way(MONITORING, database(service), (9187,), "postgres-cnpg", "metrics")


def _local() -> Iterator[Way]:
    for service in SERVICE_NAMES:
        yield Way(workload(service, "worker"), LOCAL_BROKER, (9092,), "local", "events")
        yield Way(SETUP, database(service), (POSTGRES_PORT,), "local", "creates the databases")
    yield Way(SETUP, LOCAL_BROKER, (9092,), "local", "creates the topics")
    yield Way(outside("demo"), database("order"), (POSTGRES_PORT,), "local", "moves the deadlines of two orders")
    for component in ("api", "worker"):
        yield Way(workload("order", component), outside("gateway"), (8005,), "local", "payments")
    for service in SENDS_MAIL:
        yield Way(workload(service, "worker"), outside("mailbox"), (1025,), "local", "mail")


def _production() -> Iterator[Way]:
    for component in ("api", "worker"):
        yield Way(workload("order", component), Internet(), (443,), "production", "the payment gateway")
        for service in STORES_IMAGES:
            yield Way(workload(service, component), Internet(), (443,), "production", "the bucket of images")
    for service in SENDS_MAIL:
        yield Way(workload(service, "worker"), Internet(), (465, 587), "production", "the mail server")
