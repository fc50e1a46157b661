"""What can be done with accounts. Each change is told to the other services in the same transaction."""

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


async def change_by_staff(tx: Tx, who: Principal, account_id: UUID, expected: Expected, **fields: object) -> Account:
    """Raises: NotFound, PreconditionFailed, NotOneself, LastAdmin."""
    if account_id == who.user_id and fields.keys() & {"roles", "active"}:
        raise NotOneself
    admins = await queries.lock_admins(tx)
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


async def _tell(tx: Tx, account: Account) -> None:
    fields = account.model_dump(include={"email", "full_name", "roles", "email_verified", "active", "version"})
    changed = users.UserChanged(user_id=account.id, **fields)
    await outbox.add(tx, changed)
    await standing.remember(tx, [changed], [utcnow()])
