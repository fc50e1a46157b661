"""Which permissions are looked up again at each use: derived from what the operations of all services ask for."""

from contracts.permissions import ROLES, SENSITIVE, Role
from tests.security.operations import SERVICES, Operation, operations

READS = ("get",)
ASKED_INSIDE = {
    "orders:write:any", "orders:cancel:any", "orders:agree-price", "payments:write:any", "returns:write:any",
}  # fmt: skip
"""Each stands beside a permission that every customer has, and is looked up where it widens that."""


def _writing() -> list[Operation]:
    found = [each for service in SERVICES for each in operations(service) if each.method not in READS]
    assert len(found) >= 70, "fewer than there were: does the test see them all?"
    return found


def test_every_permission_to_change_data_of_others_is_sensitive() -> None:
    others = {
        permission: str(operation)
        for operation in _writing()
        for permission in operation.permissions or ()
        if permission not in ROLES[Role.USER]
    }
    assert {permission: where for permission, where in others.items() if permission not in SENSITIVE} == {}
    assert SENSITIVE - others.keys() == ASKED_INSIDE


def test_read_permissions_allow_no_changes() -> None:
    for operation in _writing():
        for permission in operation.permissions or ():
            assert permission.split(":")[1] != "read", f"{operation} asks for {permission}"
