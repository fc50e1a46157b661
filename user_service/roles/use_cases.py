"""Creates, changes and deletes the shop's own roles."""

from typing import Any

from contracts.permissions import ROLES
from service_kit.concurrency import Expected, flush
from service_kit.database import Session
from service_kit.problems import not_found
from user_service.accounts import queries as accounts
from user_service.audit.models import Action, Actor
from user_service.audit.use_cases import changes_between, record
from user_service.roles import queries
from user_service.roles.grants import check_permissions
from user_service.roles.models import BUILT_IN, MAX_ROLES, OwnRole, RoleBuiltIn, RoleExists, RoleInUse, TooManyRoles
from user_service.roles.snapshots import publish


async def create(tx: Session, actor: Actor, name: str, description: str, permissions: list[str]) -> OwnRole:
    """Raises: RoleExists, NotYoursToGive, TooManyRoles."""
    await check_permissions(tx, actor.who, permissions)
    if name.lower() in {role.lower() for role in ROLES}:
        raise RoleExists(name=name)
    if await queries.count(tx) >= MAX_ROLES:
        raise TooManyRoles(most=MAX_ROLES)
    role = OwnRole(name=name, description=description, permissions=permissions)
    tx.add(role)
    await flush(tx, RoleExists(name=name))
    changes = changes_between({}, role.recorded())
    record(tx, actor, Action.ROLE_CREATED, changes=changes, role=name, permissions=permissions)
    return role


async def read(tx: Session, name: str) -> OwnRole:
    """Raises: NotFound."""
    if name in BUILT_IN:
        return built_in(name)
    found = await queries.named(tx, [name])
    return found[0] if found else not_found("role", name)


def built_in(name: str) -> OwnRole:
    return OwnRole(name=name, description="built in", permissions=BUILT_IN[name], version=1)


async def change(tx: Session, actor: Actor, name: str, expected: Expected, fields: dict[str, Any]) -> OwnRole:
    """Changes a role. If its permissions change, a snapshot of each account with the role is published.

    Raises: NotFound, RoleBuiltIn, PreconditionFailed, NotYoursToGive.
    """
    role = await _lock(tx, name)
    expected.check(role.version)
    before, after = role.permissions, fields.get("permissions", role.permissions)
    await check_permissions(tx, actor.who, {*before, *after})
    if changes := role.change(**fields):
        await tx.flush()
        record(tx, actor, Action.ROLE_CHANGED, changes=changes, role=name, before=before, after=after)
    if "permissions" in changes:
        await _publish_holders(tx, name)
    return role


async def delete(tx: Session, actor: Actor, name: str, expected: Expected) -> None:
    """Raises: NotFound, RoleBuiltIn, RoleInUse, PreconditionFailed, NotYoursToGive."""
    role = await _lock(tx, name)
    expected.check(role.version)
    await check_permissions(tx, actor.who, role.permissions)
    if holders := await accounts.count_holders(tx, name):
        raise RoleInUse(name=name, holders=holders)
    await tx.delete(role)
    record(tx, actor, Action.ROLE_DELETED, changes=changes_between(role.recorded(), {}), role=name)


async def _publish_holders(tx: Session, role: str) -> None:
    """Publishes all accounts with this role, since their permissions have changed."""
    await accounts.lock_admins(tx)  # always locked before other accounts, to avoid deadlocks
    for account in await accounts.lock_holders(tx, role):
        account.version += 1
        await publish(tx, account)


async def _lock(tx: Session, name: str) -> OwnRole:
    if name in BUILT_IN:
        raise RoleBuiltIn(name=name)
    return await queries.lock(tx, name) or not_found("role", name)
