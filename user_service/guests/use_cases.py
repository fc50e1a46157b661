"""Makes guests, mails them links, and turns them into registered accounts or merges them into one.

Whoever has the link reads the mails to the guest's address. Nothing else gives access to what a guest has: knowing the
address doesn't.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from contracts.events.users import UserMerged
from contracts.permissions import Role
from service_kit.clock import utcnow
from service_kit.concurrency import flush
from service_kit.database import Session
from service_kit.ids import uuid7
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.security import account_status
from user_service.account_management.use_cases import erase_locked
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.addresses.models import MAX_ADDRESSES
from user_service.audit.models import SYSTEM, Action, Actor, Origin
from user_service.audit.use_cases import record
from user_service.auth.schemas import TokensOut
from user_service.auth.use_cases import SignIn
from user_service.emails import EmailAddress
from user_service.guests import queries
from user_service.guests.models import AccountExists, EmailNotVerified, NotAGuest, OtherAddress
from user_service.mails import queries as mail_queries
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose, TokenNotGood
from user_service.roles.snapshots import publish
from user_service.sessions import use_cases as sessions
from user_service.sessions.models import BY_PASSWORD
from user_service.throttle import use_cases as throttle
from user_service.throttle.use_cases import Throttle

MakeTokens = Callable[[], Awaitable[TokensOut]]


@dataclass(frozen=True)
class Guests:
    """The operations that begin a session of a guest."""

    sign_in: SignIn

    async def create(self, email: EmailAddress | None, origin: Origin) -> TokensOut:
        """Makes a guest, whether or not other accounts have the address. Raises: TooManyRequests."""
        passwords = self.sign_in.password_service
        await (passwords.throttle.mail(email, origin) if email else passwords.throttle.request(origin))
        id = uuid7()
        guest = Account(
            id=id, email=str(id), full_name="", password_hash=passwords.passwords.no_password, roles=[Role.GUEST]
        )
        async with self.sign_in.database.session() as tx:
            tx.add(guest)
            await tx.flush()
            make_tokens = await self.sign_in.begin_session(tx, guest, origin)
            record(tx, replace(origin, actor_id=id), Action.GUEST_CREATED, id)
            if email is not None:
                await _set_address(tx, guest, email)
        return await make_tokens()

    async def open(self, token: str, origin: Origin) -> TokensOut:
        """Signs in whoever reads the mails to the guest's address. Raises: TokenNotGood."""
        async with self.sign_in.database.session() as tx:
            guest = await _use(tx, token)
            if guest.change(email_verified=True):
                await publish(tx, guest)
            make_tokens = await self._begin_alone(tx, guest, origin, Action.GUEST_LINK_USED)
        return await make_tokens()

    async def register(self, token: str, password: str, origin: Origin) -> TokensOut:
        """Sets a password, which makes the guest a registered account with a confirmed address.

        Raises: TokenNotGood, AccountExists, PasswordTooWeak.
        """
        passwords, database = self.sign_in.password_service.passwords, self.sign_in.database
        async with database.session() as tx:
            found = await mails.find(tx, token, Purpose.GUEST_LINK)
            guest = await accounts.by_id(tx, found.account_id) or not_found(Account, found.account_id)
            address = await _free_address(tx, guest)
        (await passwords.strength(password, address.text, guest.full_name)).demand()
        hashed = await passwords.hash(password)
        async with database.session() as tx:
            guest = await _use(tx, token)
            address = await _free_address(tx, guest)
            guest.change(
                email=address.text, guest_email=None, password_hash=hashed, roles=[Role.USER.value], email_verified=True
            )
            await flush(tx, AccountExists())
            await publish(tx, guest)
            await throttle.remember(tx, guest.id, origin)
            make_tokens = await self._begin_alone(tx, guest, origin, Action.GUEST_REGISTERED, BY_PASSWORD)
        return await make_tokens()

    async def _begin_alone(
        self, tx: Session, account: Account, origin: Origin, action: Action, *methods: str
    ) -> MakeTokens:
        """Begins a session and ends all others: whoever began them need not have been the owner of the address."""
        await sessions.end_all(tx, account.id)
        record(tx, replace(origin, actor_id=account.id), action, account.id)
        return await self.sign_in.begin_session(tx, account, origin, methods)


async def set_email(tx: Session, throttle: Throttle, actor: Actor, email: EmailAddress) -> None:
    """Sets or replaces the address of a guest, and mails it a link. The same address again changes nothing.

    Raises: NotFound, NotAGuest, TooManyRequests.
    """
    guest = await accounts.lock(tx, actor.id) or not_found(Account, actor.id)
    if not guest.is_guest:
        raise NotAGuest
    if guest.guest_email != email.text:
        await throttle.mail(email, actor)
        await _set_address(tx, guest, email)
        record(tx, actor, Action.GUEST_EMAIL_SET, guest.id, changes={"email": None})


async def request_links(tx: Session, throttle: Throttle, email: EmailAddress, origin: Origin) -> None:
    """Mails a link for each guest with this address, after the same time if there is none. Raises: TooManyRequests."""
    await throttle.mail(email, origin)
    mails.enqueue(tx, Purpose.GUEST_LINKS, email.text, None)
    record(tx, origin, Action.GUEST_LINK_ASKED)


async def merge(tx: Session, actor: Actor, token: str) -> None:
    """Gives all that the guest has to the caller's account, whose confirmed address is the guest's, and deletes the
    guest. The event makes the other services do the same.

    Raises: NotFound, GuestAccount, EmailNotVerified, TokenNotGood, OtherAddress.
    """
    found = await mails.find(tx, token, Purpose.GUEST_LINK)
    both = await accounts.lock_both(tx, found.account_id, actor.id)
    me = both.get(actor.id) or not_found(Account, actor.id)
    me.check_registered()
    guest = both.get(found.account_id)
    if guest is None or not guest.active or guest.guest_email is None:
        raise TokenNotGood
    if not me.email_verified:
        raise EmailNotVerified
    if EmailAddress.of(guest.guest_email).key != EmailAddress.of(me.email).key:
        raise OtherAddress
    await mails.use(tx, token, Purpose.GUEST_LINK)
    await queries.move_addresses(tx, guest.id, me.id, MAX_ADDRESSES)
    merged = UserMerged(user_id=guest.id, into=me.id, version=guest.version + 1)
    await outbox.add(tx, merged)
    await account_status.merge(tx, [merged])
    await outbox.delete_published(tx, str(guest.id))
    await mail_queries.delete_all(tx, guest.id, guest.email)
    record(tx, actor, Action.GUEST_MERGED, guest.id, into=me.id)
    await tx.delete(guest)


async def delete_unused(tx: Session, unused_for: timedelta, limit: int) -> bool:
    """Erases guests without an e-mail address that nobody used for so long. Returns whether there may be more."""
    found = await queries.lock_unused(tx, utcnow() - unused_for, limit)
    for guest in found:
        await erase_locked(tx, guest, SYSTEM)
    return len(found) == limit


async def _set_address(tx: Session, guest: Account, email: EmailAddress) -> None:
    await mails.forget_tokens(tx, guest.id, Purpose.GUEST_LINK)
    guest.change(guest_email=email.text, email_verified=False)
    await publish(tx, guest)
    mails.enqueue(tx, Purpose.GUEST_LINK, email.text, guest.id)


async def _use(tx: Session, token: str) -> Account:
    """The locked guest to whose address the token was mailed, which is invalid from now on. Raises: TokenNotGood."""
    guest = await accounts.lock(tx, (await mails.find(tx, token, Purpose.GUEST_LINK)).account_id)
    await mails.use(tx, token, Purpose.GUEST_LINK)
    if guest is None or not guest.active or not guest.is_guest:
        raise TokenNotGood
    return guest


async def _free_address(tx: Session, guest: Account) -> EmailAddress:
    """Raises: TokenNotGood, if it is no guest any more; AccountExists."""
    if guest.guest_email is None:
        raise TokenNotGood
    address = EmailAddress.of(guest.guest_email)
    if await accounts.is_taken(tx, address):
        raise AccountExists
    return address
