"""Every operation of every service declares a permission or that it is public, and has a summary and a tag."""

import pytest

from contracts.permissions import is_known
from tests.security.operations import LEAST_OPERATIONS, SERVICES, operations


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_declares_a_permission_or_that_it_is_public(service: str) -> None:
    found = list(operations(service))
    assert len(found) >= LEAST_OPERATIONS[service], "fewer operations than expected: does the test find all of them?"
    for operation in found:
        assert "security" in operation.spec, f"{operation} declares neither"
        for requirement in operation.spec["security"]:
            assert all(is_known(permission) for permission in requirement.get("OAuth2", [])), str(operation)


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_is_described(service: str) -> None:
    for operation in operations(service):
        assert operation.spec.get("tags"), f"{operation} has no tag"
        assert operation.spec.get("summary"), f"{operation} has no summary"
        if operation.method == "get" and "next" in str(operation.spec["responses"].get("200", {})):
            assert operation.takes("cursor"), str(operation)
