"""Names that the manifests, their generator and their checks share."""

from pathlib import Path

from local_stack.environment import ROOT
from local_stack.parts import SERVICES

DIRECTORY = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("local", "production")

SERVICE_NAMES = tuple(service.name for service in SERVICES)
COMPONENTS = ("api", "worker", "migrate")
"""The workloads of each service."""

NAMESPACE = "online-mart"
DATA_NAMESPACE = "online-mart-data"
"""Of databases and brokers."""
SANDBOX_NAMESPACE = "online-mart-sandbox"
"""Of the payment gateway, the mailbox and the demo data, on a single node only."""

HTTP_PORT, OPERATIONS_PORT, POSTGRES_PORT = 8000, 9000, 5432

NAME, COMPONENT, PART_OF = "app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"
ROLE = "online-mart/role"
"""A label of namespaces: `gateway` may call the APIs, `monitoring` may read the metrics."""
KAFKA_CLUSTER = "kafka"


def rendered(overlay: str) -> Path:
    return DIRECTORY / "rendered" / f"{overlay}.yaml"


def database_label(service: str) -> str:
    """The label of the pods that hold a service's database, whoever runs them."""
    return f"online-mart/database-{service}"


def database_cluster(service: str) -> str:
    """The name of the service's CloudNativePG cluster."""
    return f"{service}-database"


def kafka_user(service: str) -> str:
    """The service's name on the broker: a Kubernetes name, so without underscores."""
    return f"{service}-service"
