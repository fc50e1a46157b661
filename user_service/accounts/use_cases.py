"""What can be done with accounts. Each change is told to the other services in the same transaction."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from contracts.events import users
from contracts.permissions import Role
from service_kit.clock import utcnow
from service_kit.database import Tx
from service_kit.http.etag import Expected
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime
from service_kit.security import Principal, standing
from user_service.accounts import queries
from user_service.accounts.models import Account, EmailTaken, LastAdmin, NotOneself
from user_service.accounts.passwords import Passwords, check_strength
from user_service.roles import grants
from user_service.settings import Settings


async def register(
    tx: Tx, passwords: Passwords, *, email: str, password: str, full_name: str, roles: list[str], verified: bool
) -> Account:
    """Raises: EmailTaken, PasswordTooWeak."""
    check_strength(password, email)
    account = Account(
        email=email.lower(),
        full_name=full_name,
        password_hash=await passwords.hash(password),
        roles=roles,
        email_verified=verified,
    )
    tx.add(account)
    try:
        await tx.flush()
    except IntegrityError as error:
        raise EmailTaken from error
    await _tell(tx, account)
    return account


async def read(tx: Tx, account_id: UUID) -> Account:
    return await queries.by_id(tx, account_id) or not_found(Account, account_id)


async def change(tx: Tx, account_id: UUID, expected: Expected, **fields: object) -> Account:
    """Raises: NotFound, PreconditionFailed."""
    account = await queries.lock(tx, account_id) or not_found(Account, account_id)
    expected.check(account.version)
    if account.change(**fields):
        await _tell(tx, account)
    return account


async def change_by_staff(
    tx: Tx, who: Principal, account_id: UUID, expected: Expected, *, roles: list[str] | None = None, **fields: object
) -> Account:
    """Raises: NotFound, PreconditionFailed, NotOneself, LastAdmin, UnknownRole, NotYoursToGive."""
    fields |= {} if roles is None else {"roles": roles}
    if account_id == who.user_id and fields.keys() & {"roles", "active"}:
        raise NotOneself
    await grants.hold_roles(tx, roles or [])
    admins = await queries.lock_admins(tx)
    account = await queries.lock(tx, account_id) or not_found(Account, account_id)
    await grants.check_roles(tx, who, _touched(account, fields))
    account = await change(tx, account_id, expected, **fields)
    if [admin.id for admin in admins] == [account_id] and not account.is_admin:
        raise LastAdmin
    return account


async def erase(tx: Tx, account_id: UUID) -> None:
    """The account is gone, with its addresses and sessions; what others hold of the person goes by `user.erased`."""
    admins = await queries.lock_admins(tx)
    if [admin.id for admin in admins] == [account_id]:
        raise LastAdmin
    account = await queries.lock(tx, account_id) or not_found(Account, account_id)
    erased = users.UserErased(user_id=account.id, version=account.version + 1)
    await outbox.add(tx, erased)
    await standing.forget(tx, [erased])
    await outbox.forget_published(tx, str(account.id))
    await tx.delete(account)


async def ensure_first_admin(runtime: Runtime) -> None:
    """Makes the Admin that the settings name, as long as there is no Admin at all."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    if not settings.first_admin_email or not settings.first_admin_password.get_secret_value():
        return
    async with runtime.database.tx() as tx:
        if await queries.lock_admins(tx) or await queries.by_email(tx, settings.first_admin_email):
            return
        await register(
            tx,
            runtime.resource(Passwords),
            email=settings.first_admin_email,
            password=settings.first_admin_password.get_secret_value(),
            full_name="First Admin",
            roles=[Role.ADMIN],
            verified=True,
        )


async def tell_holders_of(tx: Tx, role: str) -> None:
    """What the role allows has changed, and so what its holders may do."""
    await queries.lock_admins(tx)  # first, as everywhere, so that no two wait for each other
    for account in await queries.lock_holders(tx, role):
        account.version += 1
        await _tell(tx, account)


def _touched(account: Account, fields: Mapping[str, object]) -> set[str]:
    """The roles whose permissions a change gives or takes: all of them, where the account is disabled or enabled."""
    before, after = set(account.roles), set(cast(list[str], fields.get("roles", account.roles)))
    return before ^ after if fields.get("active", account.active) == account.active else before | after


async def _tell(tx: Tx, account: Account) -> None:
    fields = account.model_dump(include={"email", "full_name", "roles", "email_verified", "active", "version"})
    permissions = sorted(await grants.permissions_held(tx, account.roles))
    changed = users.UserChanged(user_id=account.id, permissions=permissions, **fields)
    await outbox.add(tx, changed)
    await standing.remember(tx, [changed], [utcnow()])
