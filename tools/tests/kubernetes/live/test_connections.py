"""Which connections the check expects of a cluster's firewall."""

import socket

from tools.kubernetes.live.connect import main
from tools.kubernetes.live.connections import MONITORING, STRANGERS, RunningPod, expected
from tools.kubernetes.names import (
    COMPONENT,
    DATA_NAMESPACE,
    NAME,
    NAMESPACE,
    PART_OF,
    SANDBOX_NAMESPACE,
    database_label,
)


def pod(service: str, component: str) -> RunningPod:
    labels = {NAME: service, COMPONENT: component, PART_OF: "online-mart"}
    return RunningPod(f"{service}-{component}-1", NAMESPACE, labels, "10.0.0.1")


def other(name: str, namespace: str) -> RunningPod:
    return RunningPod(name, namespace, {NAME: name}, "10.0.0.2")


DATABASE = RunningPod("order-database", DATA_NAMESPACE, {database_label("order"): "true"}, "10.0.0.3")
BROKER, GATEWAY = other("kafka", DATA_NAMESPACE), other("gateway", SANDBOX_NAMESPACE)


def test_what_the_table_has_is_expected() -> None:
    assert expected(pod("order", "api"), DATABASE, 5432)
    assert expected(pod("order", "worker"), BROKER, 9092)
    assert expected(pod("order", "api"), pod("user", "api"), 8000)
    assert expected(pod("order", "api"), GATEWAY, 8005)
    assert expected(other("demo", SANDBOX_NAMESPACE), pod("order", "api"), 8000)
    assert expected(other("prometheus", MONITORING), pod("order", "worker"), 9000)


def test_nothing_else_is_expected() -> None:
    assert not expected(pod("order", "api"), BROKER, 9092)
    assert not expected(pod("inventory", "api"), DATABASE, 5432)
    assert not expected(pod("order", "api"), DATABASE, 5433)
    assert not expected(pod("order", "api"), pod("product", "api"), 8000)
    assert not expected(other("stranger", STRANGERS), pod("order", "api"), 8000)
    assert not expected(other("stranger", STRANGERS), DATABASE, 5432)
    assert not expected(other("prometheus", MONITORING), pod("order", "api"), 8000)
    assert not expected(pod("user", "api"), GATEWAY, 8005)


def test_no_policy_governs_the_sandbox() -> None:
    assert expected(other("stranger", STRANGERS), GATEWAY, 8005)


def test_addresses_that_accept_a_connection_are_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # it does not listen
        addresses = {"open": open_server.getsockname(), "closed": closed.getsockname()}
        assert main(addresses) == ["open"]
