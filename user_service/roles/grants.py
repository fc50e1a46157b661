"""What roles allow, and who may give them.

One rule holds for accounts, roles, API clients and sessions: nobody manages what may do more than themselves. All of
what it may before and after a change counts, also where the change is about its name alone.
"""

from collections.abc import Iterable

from contracts.permissions import Role, is_known, permissions_of
from service_kit.database import Session
from service_kit.security import Principal, account_status
from user_service.roles import queries
from user_service.roles.models import BUILT_IN, NotYoursToGive, UnknownRole

# Anyone who registers has these: making a customer gives nothing away.
_FOR_EVERYBODY = permissions_of([Role.USER])


async def permissions_held(tx: Session, roles: Iterable[str]) -> frozenset[str]:
    """What these roles allow together, built in and own ones."""
    names = set(roles)
    own = await queries.named(tx, names - BUILT_IN.keys()) if names - BUILT_IN.keys() else []
    return permissions_of(names) | {
        permission for role in own for permission in role.permissions if is_known(permission)
    }


async def hold_roles(tx: Session, roles: Iterable[str]) -> None:
    """Before accounts are locked that get these roles: so none of the roles goes, or changes, meanwhile.

    Raises: UnknownRole.
    """
    wanted = set(roles) - BUILT_IN.keys()
    found = {role.name for role in await queries.named(tx, wanted, locked=True)} if wanted else set()
    if missing := sorted(wanted - found):
        raise UnknownRole(names=", ".join(missing))


async def check_roles(tx: Session, who: Principal, roles: Iterable[str]) -> None:
    """Whether `who` may give or take them, and manage who holds them. Raises: NotYoursToGive, PermissionRevoked."""
    await check_permissions(tx, who, await permissions_held(tx, roles))


async def check_permissions(tx: Session, who: Principal, permissions: Iterable[str]) -> None:
    """Whether `who` may manage what has them.

    Raises: NotYoursToGive; PermissionRevoked, where the token of before alone says that `who` holds them."""
    special = set(permissions) - _FOR_EVERYBODY
    if missing := sorted(special - who.permissions):
        raise NotYoursToGive(permissions=", ".join(missing))
    await account_status.check(tx, who, sorted(special))
