"""The permissions of roles, and who may assign them.

One rule applies to accounts, roles, API clients and sessions: callers can't manage what has permissions that they lack.
All permissions before and after a change count, even if only the name is changed.
"""

from collections.abc import Iterable

from contracts.permissions import Role, is_known, permissions_of
from service_kit.database import Session
from service_kit.security import Principal, account_status
from user_service.roles import queries
from user_service.roles.models import BUILT_IN, NotYoursToGive, UnknownRole

# Everyone who registers has these permissions, so everyone may assign them.
_FOR_EVERYBODY = permissions_of([Role.USER])


async def permissions_held(tx: Session, roles: Iterable[str]) -> frozenset[str]:
    """All permissions of these roles, which may be built in or the shop's own."""
    names = set(roles)
    own = await queries.named(tx, names - BUILT_IN.keys()) if names - BUILT_IN.keys() else []
    return permissions_of(names) | {
        permission for role in own for permission in role.permissions if is_known(permission)
    }


async def lock_roles(tx: Session, roles: Iterable[str]) -> None:
    """Takes shared locks on these roles, so that none is changed or deleted meanwhile. To avoid deadlocks, call it
    before locking the accounts that get them. Raises: UnknownRole."""
    wanted = set(roles) - BUILT_IN.keys()
    found = {role.name for role in await queries.named(tx, wanted, locked=True)} if wanted else set()
    if missing := sorted(wanted - found):
        raise UnknownRole(names=", ".join(missing))


async def check_roles(tx: Session, who: Principal, roles: Iterable[str]) -> None:
    """Checks that `who` may assign these roles, and manage accounts that have them.

    Raises: NotYoursToGive, PermissionRevoked.
    """
    await check_permissions(tx, who, await permissions_held(tx, roles))


async def check_permissions(tx: Session, who: Principal, permissions: Iterable[str]) -> None:
    """Checks that `who` may manage what has these permissions.

    Raises: NotYoursToGive; PermissionRevoked, if `who` has lost one of them since the token was issued."""
    special = set(permissions) - _FOR_EVERYBODY
    if missing := sorted(special - who.permissions):
        raise NotYoursToGive(permissions=", ".join(missing))
    await account_status.check(tx, who, sorted(special))
