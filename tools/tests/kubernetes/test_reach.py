"""The judgement of connections, by what the documentation of NetworkPolicy says."""

from typing import Any

import pytest

from tools.kubernetes.reach import PUBLIC, Endpoint, Firewall, Target

A = Endpoint("one", {"name": "one"}, {"app": "a"})
B = Endpoint("one", {"name": "one"}, {"app": "b"})
ELSEWHERE = Endpoint("two", {"name": "two"}, {"app": "a"})
INTERNET = Endpoint("", {}, {}, address=PUBLIC)


def policy(direction: str, *rules: dict[str, Any], app: str = "b") -> dict[str, Any]:
    spec = {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": [direction], direction.lower(): list(rules)}
    return {"metadata": {"namespace": "one", "name": "any"}, "spec": spec}


def test_a_pod_that_no_policy_selects_is_open() -> None:
    assert Firewall([]).allows(A, Target(B, 80))
    assert Firewall([policy("Ingress")]).allows(B, Target(A, 80))


def test_a_pod_that_a_policy_selects_is_closed_in_that_direction() -> None:
    firewall = Firewall([policy("Ingress")])
    assert not firewall.allows(A, Target(B, 80))
    assert firewall.allows(B, Target(INTERNET, 80))


def test_policies_add_up_and_both_sides_have_to_allow() -> None:
    lets_in = policy("Ingress", {"from": [{"podSelector": {"matchLabels": {"app": "a"}}}], "ports": [{"port": 80}]})
    assert Firewall([policy("Ingress"), lets_in]).allows(A, Target(B, 80))
    assert not Firewall([lets_in, policy("Egress", app="a")]).allows(A, Target(B, 80))


@pytest.mark.parametrize(
    ("caller", "port", "protocol", "allowed"),
    [(A, 80, "TCP", True), (A, 81, "TCP", False), (A, 80, "UDP", False), (ELSEWHERE, 80, "TCP", False)],
)
def test_a_pod_selector_alone_means_the_own_namespace(
    caller: Endpoint, port: int, protocol: str, allowed: bool
) -> None:
    lets_in = policy("Ingress", {"from": [{"podSelector": {"matchLabels": {"app": "a"}}}], "ports": [{"port": 80}]})
    assert Firewall([lets_in]).allows(caller, Target(B, port, protocol)) is allowed


@pytest.mark.parametrize(("caller", "allowed"), [(ELSEWHERE, True), (A, False), (INTERNET, False)])
def test_both_selectors_have_to_hold(caller: Endpoint, allowed: bool) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"name": "two"}}, "podSelector": {"matchLabels": {"app": "a"}}}
    assert Firewall([policy("Ingress", {"from": [peer]})]).allows(caller, Target(B, 80)) is allowed


def test_a_rule_without_peers_allows_everybody() -> None:
    assert Firewall([policy("Ingress", {})]).allows(INTERNET, Target(B, 80))


@pytest.mark.parametrize(("excluded", "allowed"), [("10.0.0.0/8", True), ("203.0.113.0/24", False)])
def test_a_block_of_addresses_has_exceptions(excluded: str, allowed: bool) -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [excluded]}}
    firewall = Firewall([policy("Egress", {"to": [block]})])
    assert firewall.allows(B, Target(INTERNET, 443)) is allowed
    assert not firewall.allows(B, Target(A, 443))
