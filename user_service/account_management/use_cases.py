"""Registers, changes and erases accounts. The transaction that changes an account also stores the event about it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.events import users
from contracts.permissions import Permission, Role
from service_kit.clock import utcnow
from service_kit.concurrency import Expected, flush
from service_kit.database import Session
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime
from service_kit.security import account_status
from user_service.accounts import queries
from user_service.accounts.models import Account, EmailTaken, LastAdmin, NotOneself, SignInAgain
from user_service.api_clients import use_cases as api_clients
from user_service.audit.models import SYSTEM, Action, Actor, Origin
from user_service.audit.use_cases import record
from user_service.emails import EmailAddress
from user_service.mails import queries as mail_queries
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose
from user_service.passwords.hashing import Passwords
from user_service.roles import grants
from user_service.roles.snapshots import publish
from user_service.sessions import use_cases as sessions
from user_service.settings import Settings


async def register(
    tx: Session, passwords: Passwords, origin: Origin, *, email: EmailAddress, password: str, full_name: str,
    roles: list[str], verified: bool, locale: str | None = None,
) -> Account:  # fmt: skip
    """Creates an account. If it is not verified, a mail asks to confirm the address.

    Raises: EmailTaken, PasswordTooWeak.
    """
    (await passwords.strength(password, email.text, full_name)).demand()
    if await queries.is_taken(tx, email):
        raise EmailTaken
    hashed = await passwords.hash(password)
    account = Account(
        email=email.text, full_name=full_name, locale=locale, password_hash=hashed, roles=roles, email_verified=verified
    )
    tx.add(account)
    await flush(tx, EmailTaken())
    await publish(tx, account)
    if not verified:
        mails.enqueue(tx, Purpose.VERIFY_EMAIL, account.email, account.id)
    made = Action.ACCOUNT_CREATED if verified else Action.ACCOUNT_REGISTERED
    changes = {"email": None, "full_name": None, "roles": [None, roles]}
    record(tx, origin, made, account.id, changes=changes, roles=roles)
    return account


async def change(tx: Session, origin: Origin, account_id: UUID, expected: Expected, fields: dict[str, Any]) -> Account:
    """Raises: NotFound, PreconditionFailed."""
    account = await queries.lock(tx, account_id) or not_found(Account, account_id)
    expected.check(account.version)
    if changes := account.change(**fields):
        await publish(tx, account)
        _record_change(tx, origin, account_id, changes)
    return account


async def change_email(tx: Session, account: Account, address: EmailAddress, origin: Origin) -> None:
    """Sets an address whose owner has sent back the code of a mail. The account must be locked.

    Raises: EmailTaken.
    """
    if await queries.is_taken(tx, address, by_other_than=account.id):
        raise EmailTaken
    others = await queries.colliding_with(tx, account)
    if not account.change(email=address.text, email_verified=True, collides=False):
        return
    await flush(tx, EmailTaken())
    await _release_address(tx, others)
    await publish(tx, account)
    record(tx, origin, Action.EMAIL_CHANGED, account.id, changes={"email": None})


async def change_by_staff(
    tx: Session, actor: Actor, account_id: UUID, expected: Expected, fields: dict[str, Any]
) -> Account:
    """Changes the name, the roles or whether the account is active. A disabled account is signed out everywhere. If two
    Admins disable each other at the same time, the second change is rejected.

    Raises: NotFound, PreconditionFailed, NotOneself, LastAdmin, UnknownRole, NotYoursToGive, PermissionRevoked,
    GuestAccount.
    """
    if account_id == actor.id and fields.keys() & {"roles", "active"}:
        raise NotOneself
    roles = fields.get("roles", [])
    await grants.lock_roles(tx, roles)
    admins = await queries.lock_admins(tx)
    # Checked again: the permission may have been revoked while this transaction waited for the lock.
    await account_status.check(tx, actor.who, [Permission.USERS_MANAGE_ANY])
    account = await queries.lock(tx, account_id) or not_found(Account, account_id)
    if roles:
        account.check_registered()
    await grants.check_roles(tx, actor.who, {*account.roles, *roles})
    account = await change(tx, actor, account_id, expected, fields)
    if [admin.id for admin in admins] == [account_id] and not account.is_admin:
        raise LastAdmin
    if not account.active:
        await sessions.end_all(tx, account_id)
        await api_clients.disable_owned(tx, actor, account_id)
    return account


async def erase(tx: Session, actor: Actor, signed_in_within: timedelta) -> None:
    """Erases the caller's account. Raises: NotFound, LastAdmin, SignInAgain."""
    if [admin.id for admin in await queries.lock_admins(tx)] == [actor.id]:
        raise LastAdmin
    account = await queries.lock(tx, actor.id) or not_found(Account, actor.id)
    if actor.who.authenticated_at < (utcnow() - signed_in_within).timestamp():
        raise SignInAgain.within(signed_in_within)
    await api_clients.disable_owned(tx, actor, account.id)
    await erase_locked(tx, account, actor)


async def erase_locked(tx: Session, account: Account, origin: Origin) -> None:
    """Deletes the account, its addresses and its sessions. On the event `user.erased`, the other services erase their
    data about it. The account must be locked."""
    erased = users.UserErased(user_id=account.id, version=account.version + 1)
    await outbox.add(tx, erased)
    await account_status.erase(tx, [erased])
    await outbox.delete_published(tx, str(account.id))
    await mail_queries.delete_all(tx, account.id, account.email)
    record(tx, origin, Action.ACCOUNT_ERASED, account.id)
    others = await queries.colliding_with(tx, account)
    await tx.delete(account)
    await tx.flush()
    await _release_address(tx, others)


async def ensure_first_admin(runtime: Runtime) -> None:
    """Creates the Admin that the settings name, if there is no active Admin."""
    settings = runtime.resource(Settings)
    password = settings.first_admin_password.get_secret_value()
    if not settings.first_admin_email or not password:
        return
    async with runtime.database.session() as tx:
        email = EmailAddress.of(settings.first_admin_email)
        if await queries.lock_admins(tx) or await queries.by_email(tx, email):
            return
        admin: dict[str, Any] = {"email": email, "full_name": "First Admin", "roles": [Role.ADMIN]}
        await register(tx, runtime.resource(Passwords), SYSTEM, **admin, password=password, verified=True)


async def _release_address(tx: Session, others: Sequence[Account]) -> None:
    """If only one account is left of those whose addresses collided, stores its address in the normal form."""
    if len(others) == 1 and others[0].change(email=EmailAddress.of(others[0].email).text, collides=False):
        await publish(tx, others[0])


def _record_change(tx: Session, origin: Origin, account_id: UUID, changes: dict[str, list[Any]]) -> None:
    """Adds an audit entry for each changed field, but without the name: entries outlive the account."""
    if roles := changes.get("roles"):
        record(tx, origin, Action.ROLES_CHANGED, account_id, changes={"roles": roles}, before=roles[0], after=roles[1])
    if active := changes.get("active"):
        made = Action.ACCOUNT_ENABLED if active[1] else Action.ACCOUNT_DISABLED
        record(tx, origin, made, account_id, changes={"active": active})
    if profile := sorted(changes.keys() & {"full_name", "locale"}):
        record(tx, origin, Action.ACCOUNT_CHANGED, account_id, changes=dict.fromkeys(profile), fields=profile)
