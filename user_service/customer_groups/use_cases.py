"""Creates, renames and deletes customer groups, and changes their members."""

from typing import Any
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.concurrency import Expected, flush
from service_kit.database import Session
from service_kit.database.signals import signal
from service_kit.problems import not_found
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Actor
from user_service.audit.use_cases import changes_between, record
from user_service.customer_groups import queries
from user_service.customer_groups.models import (
    MAX_GROUPS_OF_ACCOUNT,
    CustomerGroup,
    CustomerGroupExists,
    TooManyCustomerGroups,
)
from user_service.roles.snapshots import publish

GROUP_DELETED = "customer-group-deleted"
"""The signal that wakes the job, which removes the deleted group from its members."""


async def create(tx: Session, actor: Actor, name: str) -> CustomerGroup:
    """Raises: CustomerGroupExists."""
    group = CustomerGroup(name=name)
    tx.add(group)
    await flush(tx, CustomerGroupExists(name=name))
    record(tx, actor, Action.CUSTOMER_GROUP_CREATED, changes=changes_between({}, group.recorded()), group=group.id)
    return group


async def read(tx: Session, group_id: UUID) -> CustomerGroup:
    """Raises: NotFound."""
    return await queries.find(tx, group_id) or not_found(CustomerGroup, group_id)


async def change(tx: Session, actor: Actor, group_id: UUID, expected: Expected, name: str) -> CustomerGroup:
    """Raises: NotFound, PreconditionFailed, CustomerGroupExists."""
    group = await queries.lock(tx, group_id) or not_found(CustomerGroup, group_id)
    expected.check(group.version)
    if changes := group.change(name=name):
        await flush(tx, CustomerGroupExists(name=name))
        record(tx, actor, Action.CUSTOMER_GROUP_CHANGED, changes=changes, group=group_id)
    return group


async def delete(tx: Session, actor: Actor, group_id: UUID, expected: Expected) -> None:
    """Hides the group. A job removes it from the accounts of its members, since there may be very many.

    Raises: NotFound, PreconditionFailed.
    """
    group = await queries.lock(tx, group_id) or not_found(CustomerGroup, group_id)
    expected.check(group.version)
    group.change(deleted_at=utcnow())
    record(tx, actor, Action.CUSTOMER_GROUP_DELETED, changes=changes_between(group.recorded(), {}), group=group_id)
    signal(tx, GROUP_DELETED)


async def add_member(tx: Session, actor: Actor, group_id: UUID, account_id: UUID) -> None:
    """Changes nothing if the account is a member already. Raises: NotFound, TooManyCustomerGroups."""
    account = await _lock_both(tx, group_id, account_id) or not_found(Account, account_id)
    if group_id in account.groups:
        return
    if len(account.groups) >= MAX_GROUPS_OF_ACCOUNT:
        raise TooManyCustomerGroups(most=MAX_GROUPS_OF_ACCOUNT)
    changes = await _set_groups(tx, account, [*account.groups, group_id])
    record(tx, actor, Action.CUSTOMER_GROUP_MEMBER_ADDED, account_id, changes=changes, group=group_id)


async def remove_member(tx: Session, actor: Actor, group_id: UUID, account_id: UUID) -> None:
    """Changes nothing if the account is no member, or was erased. Raises: NotFound, for the group."""
    account = await _lock_both(tx, group_id, account_id)
    if account is None or group_id not in account.groups:
        return
    changes = await _set_groups(tx, account, [group for group in account.groups if group != group_id])
    record(tx, actor, Action.CUSTOMER_GROUP_MEMBER_REMOVED, account_id, changes=changes, group=group_id)


async def forget_deleted(tx: Session, limit: int) -> bool:
    """Removes a deleted group from some of its members, and its row with the last. Returns whether there was one."""
    group = await queries.lock_deleted(tx)
    if group is None:
        return False
    found = await queries.lock_some_members(tx, group.id, limit)
    for account in found:
        await _set_groups(tx, account, [each for each in account.groups if each != group.id])
    if len(found) < limit and not await queries.count_members(tx, group.id):
        await tx.delete(group)
    return True


async def _lock_both(tx: Session, group_id: UUID, account_id: UUID) -> Account | None:
    """The account. Both stay locked until the transaction ends. Raises: NotFound, for the group."""
    if await queries.lock(tx, group_id, shared=True) is None:
        not_found(CustomerGroup, group_id)
    return await accounts.lock(tx, account_id)


async def _set_groups(tx: Session, account: Account, groups: list[UUID]) -> dict[str, list[Any]]:
    """Publishes the account with its groups in the same transaction: other services know them by this event alone.
    Returns the change for the audit log."""
    changes = account.change(groups=groups)
    await publish(tx, account)
    return changes
