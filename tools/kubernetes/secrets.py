"""Which Secret holds what: each workload mounts one, with its own secrets alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools import container_secrets
from tools.container_secrets import HANDED_OUT
from tools.kubernetes.access import SENDS_MAIL, STORES_IMAGES
from tools.kubernetes.names import DATA_NAMESPACE, NAMESPACE, SANDBOX_NAMESPACE, SERVICE_NAMES

Manifest = dict[str, Any]

POSTGRES = f"postgres.{DATA_NAMESPACE}:5432"
"""The address of the local overlay's PostgreSQL."""

_STAND_INS = {
    "postgres": DATA_NAMESPACE,
    "setup": DATA_NAMESPACE,
    "gateway": SANDBOX_NAMESPACE,
    "demo": SANDBOX_NAMESPACE,
}


def serving(service: str) -> Mapping[str, str]:
    """What `order-secrets` holds: file → name of the secret, as `docker-compose.yml` hands them out."""
    return {name.removeprefix(f"{service}_"): name for name in HANDED_OUT[service]}


def migrating(service: str) -> Mapping[str, str]:
    """What `order-migration-secrets` holds."""
    return {name.removeprefix(f"{service}_"): name for name in HANDED_OUT[f"{service}-migration"]}


def production_only(service: str) -> tuple[str, ...]:
    """The files that `order-secrets` has besides, where broker, databases and other servers ask for them."""
    return ("kafka_sasl_username", "kafka_sasl_password", "kafka_ca", "database_ca", *of_servers(service))


def of_servers(service: str) -> tuple[str, ...]:
    """The credentials for the mail server and the bucket of images."""
    mail = ("smtp_password",) if service in SENDS_MAIL else ()
    images = ("media_access_key", "media_secret_key") if service in STORES_IMAGES else ()
    return (*mail, *images)


def mounted_by(name: str) -> str | None:
    """The Secret of a service's workload (`order-api`); None: of something else."""
    service, _, component = name.partition("-")
    if service not in SERVICE_NAMES:
        return None
    return f"{service}-migration-secrets" if component.startswith("migrate") else f"{service}-secrets"


def local(directory: Path) -> Manifest:
    """All Secrets of the local overlay and their namespaces, as one List; random values are made in `directory`."""
    container_secrets.make_secrets(directory, POSTGRES)
    secrets = [_secret(f"{service}-secrets", NAMESPACE, serving(service), directory) for service in SERVICE_NAMES]
    secrets += [
        _secret(f"{service}-migration-secrets", NAMESPACE, migrating(service), directory) for service in SERVICE_NAMES
    ]
    secrets += [
        _secret(f"{name}-secrets", namespace, {each: each for each in HANDED_OUT[name]}, directory)
        for name, namespace in _STAND_INS.items()
    ]
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in (NAMESPACE, DATA_NAMESPACE, SANDBOX_NAMESPACE)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": [*namespaces, *secrets]}


def local_as_json(directory: Path) -> str:
    """For `kubectl apply -f -`."""
    return json.dumps(local(directory))


def _secret(name: str, namespace: str, files: Mapping[str, str], directory: Path) -> Manifest:
    values = {file: (directory / source).read_text() for file, source in files.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": values}
