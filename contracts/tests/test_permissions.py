"""The permissions of the built-in roles."""

import re

import pytest

from contracts.permissions import ROLES, Permission, Role, is_known, permissions_of


@pytest.mark.parametrize("permission", Permission)
def test_permission_is_well_formed_and_described(permission: Permission) -> None:
    assert re.fullmatch(r"[a-z-]+:[a-z-]+(:any)?", permission)
    assert permission.description
    assert is_known(permission.value)


def test_misspelt_permission_is_not_known() -> None:
    assert not is_known("order:read")


def test_admin_has_every_permission() -> None:
    assert ROLES[Role.ADMIN] == set(Permission)


def test_sub_admin_lacks_only_the_management_of_access_and_the_audit_log() -> None:
    admin_alone = {"users:manage:any", "roles:manage", "api-clients:manage", "audit-log:read"}
    assert set(Permission) - ROLES[Role.SUB_ADMIN] == admin_alone


def test_user_has_no_permission_over_others() -> None:
    assert not [permission for permission in ROLES[Role.USER] if permission.endswith((":any", ":manage"))]
    assert {"orders:write", "orders:cancel", "payments:write", "carts:write"} <= ROLES[Role.USER]
    assert not {"orders:agree-price", "stock:read", "shipments:dispatch"} & ROLES[Role.USER]


def test_every_any_permission_has_a_counterpart_for_ones_own_unless_staff_only() -> None:
    staff_only = {
        "users:manage:any", "products:read:any", "orders:export:any", "payments:record:any", "refunds:write:any",
        "returns:decide:any",
    }  # fmt: skip
    for permission in Permission:
        if permission.endswith(":any") and permission not in staff_only:
            assert is_known(permission.removesuffix(":any")), permission


def test_roles_add_up_and_unknown_ones_add_nothing() -> None:
    assert permissions_of(["User", "Packer"]) == ROLES[Role.USER]
    assert permissions_of(["User", "SubAdmin"]) == ROLES[Role.SUB_ADMIN]
    assert permissions_of([]) == frozenset()
    assert {type(permission) for permission in permissions_of(["User"])} == {str}
