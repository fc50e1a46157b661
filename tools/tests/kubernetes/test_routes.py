"""The gateway lets in every operation of the APIs that is for customers and staff, and no other path."""

import pytest

from tests.security.operations import SERVICES, app
from tools.kubernetes.cluster import Cluster

PRODUCTION = Cluster.of("production")
# For operators: by `kubectl port-forward`.
NOT_PUBLIC = ("/health", "/dead-letters")


def _prefixes(service: str) -> list[str]:
    route = PRODUCTION.find("HTTPRoute", "online-mart", service)
    assert route is not None
    [rule] = route["spec"]["rules"]
    assert [each["name"] for each in rule["backendRefs"]] == [f"{service}-api"]
    assert all(match["path"]["type"] == "PathPrefix" for match in rule["matches"])
    return [match["path"]["value"] for match in rule["matches"]]


def _starts(path: str, prefix: str) -> bool:
    """As the Gateway API compares: whole elements of the path."""
    return path == prefix or path.startswith(f"{prefix}/")


@pytest.mark.parametrize("service", SERVICES)
def test_public_operations_have_a_route_and_others_have_none(service: str) -> None:
    prefixes, paths = _prefixes(service), app(service).openapi()["paths"]
    for path in paths:
        is_public = not any(_starts(path, each) for each in NOT_PUBLIC)
        assert any(_starts(path, each) for each in prefixes) == is_public, path
    for prefix in prefixes:
        assert any(_starts(path, prefix) for path in paths), f"nothing is at {prefix}"
    for path in ("/metrics", "/openapi.json", "/docs"):
        assert not any(_starts(path, each) for each in prefixes)


def test_each_service_has_a_host_of_its_own() -> None:
    hosts = [host for route in PRODUCTION.kind("HTTPRoute") for host in route["spec"]["hostnames"]]
    assert len(hosts) == len(set(hosts)) == len(SERVICES)
