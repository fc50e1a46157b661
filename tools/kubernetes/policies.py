"""Network policies, generated from the table of `tools.kubernetes.access`."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tools.kubernetes.access import Internet, Namespaces, Place, Pods, Way, ways
from tools.kubernetes.names import NAMESPACE

Manifest = dict[str, Any]

_INTERNET = [
    {
        "ipBlock": {
            "cidr": "0.0.0.0/0",
            "except": [
                "10.0.0.0/8",
                "100.64.0.0/10",
                "127.0.0.0/8",
                "169.254.0.0/16",
                "172.16.0.0/12",
                "192.168.0.0/16",
            ],
        }
    },
    {"ipBlock": {"cidr": "::/0", "except": ["::1/128", "fc00::/7", "fe80::/10"]}},
]


def default_deny() -> Manifest:
    """Denies every pod of the services' namespace all connections, in both directions."""
    return _policy("default-deny", NAMESPACE, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def policies(place: Place) -> list[Manifest]:
    """The policies of a component or an overlay: one for each workload or server that it says anything about."""
    ingress, egress = defaultdict[Pods, list[Manifest]](list), defaultdict[Pods, list[Manifest]](list)
    for way in ways():
        if way.place != place:
            continue
        if isinstance(way.callee, Pods) and way.callee.policy:
            ingress[way.callee].append({"from": _peers(way.caller), "ports": _ports(way)})
        if isinstance(way.caller, Pods) and way.caller.policy:
            egress[way.caller].append({"to": _peers(way.callee), "ports": _ports(way)})
    made = [_of(pods, place, ingress[pods], egress[pods]) for pods in _in_order(ingress, egress)]
    return [default_deny(), *made] if place == "policies" else made


def _of(pods: Pods, place: Place, ingress: list[Manifest], egress: list[Manifest]) -> Manifest:
    spec: Manifest = {"podSelector": {"matchLabels": dict(pods.labels)}, "policyTypes": []}
    for direction, rules in (("Ingress", ingress), ("Egress", egress)):
        if rules:
            spec["policyTypes"].append(direction)
            spec[direction.lower()] = rules
    name = pods.policy if place == "policies" else f"{pods.policy}-{place}"
    return _policy(name, pods.namespace, spec)


def _policy(name: str, namespace: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _in_order(*groups: Iterable[Pods]) -> list[Pods]:
    return sorted({pods for group in groups for pods in group}, key=lambda pods: (pods.namespace, pods.policy))


def _peers(peer: Pods | Namespaces | Internet) -> list[Manifest]:
    match peer:
        case Pods():
            namespace = {"matchLabels": {"kubernetes.io/metadata.name": peer.namespace}}
            return [{"namespaceSelector": namespace, "podSelector": {"matchLabels": dict(peer.labels)}}]
        case Namespaces():
            return [{"namespaceSelector": {"matchLabels": dict([peer.label])}}]
        case Internet():
            return _INTERNET


def _ports(way: Way) -> list[Manifest]:
    return [{"port": port, "protocol": protocol} for port in way.ports for protocol in way.protocols]
