"""Sensitive permissions, which are looked up at each use, are all those that change what callers do not own."""

from contracts.permissions import ROLES, SENSITIVE, Role
from tests.security.operations import SERVICES, Operation, operations

READS = ("get",)
CHECKED_BY_USE_CASES = {"orders:cancel:any", "orders:agree-price", "returns:write:any"}
"""Permissions that no operation declares: use cases look them up where a customer's permission is not enough."""
READS_EVERYTHING = {"orders:export:any"}
"""Permissions to read so much at once that they end at once, too."""


def _writing() -> list[Operation]:
    found = [each for service in SERVICES for each in operations(service) if each.method not in READS]
    assert len(found) >= 70, "fewer operations than expected: does the test find all of them?"
    return found


def test_every_permission_to_change_data_of_others_is_sensitive() -> None:
    others = {
        permission: str(operation)
        for operation in _writing()
        for permission in operation.permissions or ()
        if permission not in ROLES[Role.USER]
    }
    assert {permission: where for permission, where in others.items() if permission not in SENSITIVE} == {}
    assert SENSITIVE - others.keys() == CHECKED_BY_USE_CASES | READS_EVERYTHING


def test_read_permissions_allow_no_changes() -> None:
    for operation in _writing():
        for permission in operation.permissions or ():
            assert permission.split(":")[1] != "read", f"{operation} asks for {permission}"
