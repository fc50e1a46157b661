"""Kubernetes' own objects fit the schemas of its API, without unknown fields. Only a cluster can check other APIs.

The schemas are those of kubernetes-validate. Its own function reads all definitions again for each object: 5 s here.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tools.kubernetes.cluster import Cluster, title

VERSION = "1.34"
"""The oldest version of Kubernetes that the manifests are for."""
_DIRECTORY = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"
_GROUPS = frozenset({"networking.k8s.io", "rbac.authorization.k8s.io"})
"""Groups of Kubernetes' own APIs whose names have a dot."""


def objects_fit_their_schema(cluster: Cluster) -> Iterator[str]:
    for each in cluster.objects:
        if not is_core(each["apiVersion"]):
            continue
        validator = _validator(each["kind"], each["apiVersion"])
        if validator is None:
            yield f"{title(each)}: Kubernetes {VERSION} has no {each['kind']} in {each['apiVersion']}"
            continue
        for error in validator.iter_errors(each):
            yield f"{title(each)}: {'.'.join(map(str, error.path))}: {error.message[:200]}"


def is_core(api: str) -> bool:
    """Whether an API is Kubernetes' own, and not that of an operator."""
    group = api.rpartition("/")[0]
    return "." not in group or group in _GROUPS


@cache
def _validator(kind: str, api: str) -> Draft202012Validator | None:
    group, _, version = api.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
    schema = _DIRECTORY / f"{name}.json"
    return Draft202012Validator(_read(schema), registry=_definitions()) if schema.is_file() else None


@cache
def _definitions() -> Registry[Any]:
    return Resource.from_contents(_read(_DIRECTORY / "_definitions.json")) @ Registry()


def _read(file: Any) -> Any:
    return json.loads(file.read_text())
