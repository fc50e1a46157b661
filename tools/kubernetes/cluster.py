"""The objects of a rendered overlay, as the rules ask for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from tools.kubernetes.names import COMPONENT, COMPONENTS, NAME, NAMESPACE, SERVICE_NAMES, rendered

Manifest = dict[str, Any]

_WITH_PODS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


@dataclass(frozen=True)
class Workload:
    """An object that makes pods, and their template."""

    manifest: Manifest

    @property
    def title(self) -> str:
        return title(self.manifest)

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"].get("namespace", ""))

    @property
    def spec(self) -> Manifest:
        found: Manifest = self.manifest["spec"]
        return found

    @property
    def template(self) -> Manifest:
        spec = self.spec["jobTemplate"]["spec"] if self.kind == "CronJob" else self.spec
        found: Manifest = spec["template"]
        return found

    @property
    def labels(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.template.get("metadata", {}).get("labels", {})
        return found

    @property
    def pod(self) -> Manifest:
        found: Manifest = self.template["spec"]
        return found

    @property
    def containers(self) -> list[Manifest]:
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def service(self) -> str | None:
        """`order`, for a workload of the order service."""
        name = self.labels.get(NAME)
        return name if self.namespace == NAMESPACE and name in SERVICE_NAMES else None

    @property
    def component(self) -> str:
        return self.labels.get(COMPONENT, "")


@dataclass(frozen=True)
class Cluster:
    """What an overlay would put into a cluster."""

    overlay: str
    objects: list[Manifest]

    @classmethod
    def of(cls, overlay: str) -> "Cluster":
        text = rendered(overlay).read_text()
        return cls(overlay, [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each])

    @cached_property
    def workloads(self) -> list[Workload]:
        return [Workload(each) for each in self.objects if each["kind"] in _WITH_PODS]

    @property
    def deployments(self) -> Iterator[Workload]:
        """Those of the services, which serve and work without an end."""
        return (each for each in self.workloads if each.service and each.kind == "Deployment")

    @property
    def of_services(self) -> Iterator[Workload]:
        return (each for each in self.workloads if each.service)

    def kind(self, *kinds: str) -> Iterator[Manifest]:
        return (each for each in self.objects if each["kind"] in kinds)

    def find(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return next((each for each in self.kind(kind) if where(each) == (namespace, name)), None)

    def missing_workloads(self) -> Iterator[str]:
        """The workloads of services that the overlay lacks, as `order-api`."""
        have = {(each.service, each.component) for each in self.of_services}
        for service in SERVICE_NAMES:
            yield from (f"{service}-{each}" for each in COMPONENTS if (service, each) not in have)


def where(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def title(manifest: Manifest) -> str:
    namespace, name = where(manifest)
    return f"{manifest['kind']} {namespace}/{name}" if namespace else f"{manifest['kind']} {name}"


def selects(selector: Manifest | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector, in either of its forms, selects an object with these labels; None selects nothing."""
    if selector is None:
        return False
    for each in selector.get("matchExpressions", []):
        value, values = labels.get(each["key"]), each.get("values", [])
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[each["operator"]]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
