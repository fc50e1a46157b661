"""Judges connections by network policies, as a network plugin does."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from tools.kubernetes.cluster import Manifest, selects

PUBLIC = "203.0.113.7"
"""An address for documentation, which stands for any of the internet."""


@dataclass(frozen=True)
class Endpoint:
    """A pod, by its namespace and the labels of both; or a server outside the cluster, by its address."""

    namespace: str
    namespace_labels: Mapping[str, Any]
    labels: Mapping[str, str]
    address: str = ""

    @property
    def title(self) -> str:
        return (
            self.address or f"{self.namespace} {' '.join(f'{k}={v}' for k, v in sorted(self.labels.items()))}".strip()
        )


@dataclass(frozen=True)
class Target:
    """A port of a pod or a server."""

    endpoint: Endpoint
    port: int
    protocol: str = "TCP"

    @property
    def title(self) -> str:
        return f"{self.endpoint.title} on port {self.port}/{self.protocol}"


@dataclass(frozen=True)
class Firewall:
    """What a set of NetworkPolicies allows. Policies add up; a pod that none selects in a direction is open in it."""

    policies: list[Manifest]

    def allows(self, caller: Endpoint, target: Target) -> bool:
        leaves = self._passes(caller, "Egress", target.endpoint, target)
        return leaves and self._passes(target.endpoint, "Ingress", caller, target)

    def _passes(self, pod: Endpoint, direction: str, peer: Endpoint, target: Target) -> bool:
        if pod.address:
            return True
        governing = [each["spec"] for each in self.policies if _governs(each, direction, pod)]
        if not governing:
            return True
        rules = [rule for spec in governing for rule in spec.get(direction.lower(), [])]
        peers = "to" if direction == "Egress" else "from"
        return any(_port_fits(rule, target) and _peer_fits(rule.get(peers), peer, pod) for rule in rules)


def _governs(policy: Manifest, direction: str, pod: Endpoint) -> bool:
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], pod.labels)
    )


def _port_fits(rule: Manifest, target: Target) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        (each["port"], each.get("protocol", "TCP")) == (target.port, target.protocol) for each in ports
    )


def _peer_fits(peers: list[Manifest] | None, endpoint: Endpoint, pod: Endpoint) -> bool:
    """No list of peers means everybody. A pod selector alone means the policy's own namespace."""
    return not peers or any(_is_peer(each, endpoint, pod) for each in peers)


def _is_peer(peer: Manifest, endpoint: Endpoint, pod: Endpoint) -> bool:
    if "ipBlock" in peer:
        return bool(endpoint.address) and _is_in(peer["ipBlock"], endpoint.address)
    if endpoint.address:
        return False
    if "namespaceSelector" in peer:
        in_namespace = selects(peer["namespaceSelector"], endpoint.namespace_labels)
    else:
        in_namespace = endpoint.namespace == pod.namespace
    return in_namespace and ("podSelector" not in peer or selects(peer["podSelector"], endpoint.labels))


def _is_in(block: Manifest, address: str) -> bool:
    found = ip_address(address)
    return found in ip_network(block["cidr"]) and not any(found in ip_network(each) for each in block.get("except", []))
