"""Secrets come as files, to each workload its own."""

import re
from collections.abc import Iterator
from importlib import import_module

from pydantic import BaseModel

from local_stack.parts import SERVICES
from service_kit.settings import DatabaseCreationSettings
from tools.kubernetes.cluster import Cluster, Manifest, Workload, title
from tools.kubernetes.names import SERVICE_NAMES
from tools.kubernetes.secrets import migrating, mounted_by, production_only, serving

_CREDENTIALS = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
_SOUNDS_SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY)$")
_FILE = re.compile(r"^/secrets/(\w+)$")


def secret_settings() -> frozenset[str]:
    """The names of all settings that the services treat as secret, without prefix."""
    kinds: list[type[BaseModel]] = [DatabaseCreationSettings]
    kinds += [import_module(f"{service.package}.settings").Settings for service in SERVICES]
    fields = [(name, field) for kind in kinds for name, field in kind.model_fields.items()]
    return frozenset(name.upper() for name, field in fields if "SecretStr" in repr(field.annotation))


def no_secret_is_in_the_environment(cluster: Cluster) -> Iterator[str]:
    """Neither as a value nor by reference: `kubectl describe` shows variables, and child processes inherit them."""
    secret = secret_settings()
    for place, name, value in _variables(cluster):
        plain = re.sub(rf"^({'|'.join(each.upper() for each in SERVICE_NAMES)})_", "", name)
        if plain in secret or name in secret or _SOUNDS_SECRET.search(name) or _CREDENTIALS.search(value):
            yield f"{place}: {name} is a secret; give it as a file ({name}_FILE)"
    for workload in cluster.workloads:
        for container in workload.containers:
            references = [each for each in container.get("env", []) if "secretKeyRef" in each.get("valueFrom", {})]
            if references or any("secretRef" in each for each in container.get("envFrom", [])):
                yield f"{workload.title}: has variables from a Secret; mount it instead"


def _variables(cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    for workload in cluster.workloads:
        for container in workload.containers:
            for each in container.get("env", []):
                yield workload.title, each["name"], str(each.get("value", ""))
    for each in cluster.kind("ConfigMap"):
        for name, value in each.get("data", {}).items():
            yield title(each), name, value


def only_own_secrets_are_mounted(cluster: Cluster) -> Iterator[str]:
    """A workload mounts its own Secret and no other; its `…_FILE` variables name files that this Secret has."""
    for workload in cluster.workloads:
        mounted = set(_mounted(workload.pod))
        expected = mounted_by(workload.name) or f"{workload.name}-secrets"
        if mounted - {expected}:
            yield f"{workload.title}: mounts {', '.join(sorted(mounted - {expected}))}; its own is {expected}"
        if workload.service:
            if not mounted:
                yield f"{workload.title}: does not mount {expected}"
            yield from _unknown_files(cluster, workload)


def _mounted(pod: Manifest) -> Iterator[str]:
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield volume["secret"]["secretName"]
        for source in volume.get("projected", {}).get("sources", []):
            if "secret" in source:
                yield source["secret"]["name"]


def _unknown_files(cluster: Cluster, workload: Workload) -> Iterator[str]:
    known = files(cluster.overlay, str(workload.service), workload.component)
    for container in workload.containers:
        for each in container.get("env", []):
            found = _FILE.match(str(each.get("value", "")))
            if found and found[1] not in known:
                yield f"{workload.title}: {each['name']} names {found[1]}, which its Secret does not have"


def files(overlay: str, service: str, component: str) -> frozenset[str]:
    """The files in the Secret of a service's workload."""
    if component == "migrate":
        return frozenset({*migrating(service), *(("database_ca",) if overlay == "production" else ())})
    return frozenset({*serving(service), *(production_only(service) if overlay == "production" else ())})
