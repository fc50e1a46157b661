"""Verifies, changes and resets passwords.

No transaction is open while a password is hashed or its strength is estimated, which takes long.
"""

from dataclasses import dataclass
from typing import Any

from service_kit.database import Database
from service_kit.problems import not_found
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Actor, Origin
from user_service.audit.use_cases import record
from user_service.emails import EmailAddress
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose, TokenNotGood
from user_service.passwords import queries
from user_service.passwords.hashing import Passwords
from user_service.passwords.models import WrongPassword
from user_service.sessions import use_cases as sessions
from user_service.throttle import queries as attempts
from user_service.throttle import use_cases as throttle
from user_service.throttle.models import Bucket
from user_service.throttle.use_cases import Throttle, network_of
from user_service.verification.use_cases import mark_verified


@dataclass(frozen=True, slots=True)
class PasswordService:
    """The operations that verify a password or set one."""

    database: Database
    passwords: Passwords
    throttle: Throttle

    async def verify(self, email: EmailAddress, password: str, origin: Origin) -> Account | None:
        """The active account with this e-mail address and password, or None. Raises: TooManyRequests.

        If there is no such account, the same statements run and a dummy hash is verified, so that it takes as long.
        """
        async with self.database.session() as tx:
            account, is_known = await queries.account_and_whether_known(tx, email, network_of(origin.address))
        counted_in = await self.throttle.sign_in(email, account.id if account else None, origin, knows_address=is_known)
        is_right = await self.passwords.verify(password, account.password_hash if account else None)
        if account is None or not is_right or not account.active:
            facts: dict[str, Any] = {"account": "disabled"} if is_right else {}
            async with self.database.session() as tx:
                record(tx, origin, Action.SIGN_IN_FAILED, account.id if account else None, **facts)
            return None
        await self._succeeded(account, password, counted_in)
        return account

    async def change(self, actor: Actor, present: str, new: str) -> None:
        """Sets a new password, and ends all other sessions.

        Raises: WrongPassword, PasswordTooWeak, TooManyRequests, GuestAccount.
        """
        async with self.database.session() as tx:
            account = await accounts.by_id(tx, actor.id) or not_found(Account, actor.id)
        account.check_registered()
        (await self.passwords.strength(new, account.email, account.full_name)).demand()
        await self.prove(account, present, actor, Action.PASSWORD_CHANGE_REFUSED)
        hashed = await self.passwords.hash(new)
        async with self.database.session() as tx:
            current = await accounts.lock(tx, account.id) or not_found(Account, account.id)
            if not await self.is_unchanged(account, current, present):
                raise WrongPassword  # it was changed in the meantime
            current.password_hash = hashed
            await sessions.end_all(tx, account.id, but=actor.session_id)
            await mails.forget_tokens(tx, account.id, Purpose.RESET_PASSWORD, Purpose.CHANGE_EMAIL)
            record(tx, actor, Action.PASSWORD_CHANGED, account.id)
            mails.enqueue(tx, Purpose.PASSWORD_CHANGED, account.email, account.id)

    async def prove(self, account: Account, present: str, origin: Origin, rejected: Action) -> None:
        """Verifies the password of a caller who is signed in. Raises: WrongPassword, after recording `rejected` in the
        audit log, TooManyRequests."""
        address = EmailAddress.of(account.email)
        counted_in = await self.throttle.sign_in(address, account.id, origin, knows_address=True)
        is_right = await self.passwords.verify(present, account.password_hash)
        async with self.database.session() as tx:
            if is_right:
                await attempts.undo_attempts(tx, counted_in)
            else:
                record(tx, origin, rejected, account.id)
        if not is_right:
            raise WrongPassword

    async def is_unchanged(self, verified: Account, current: Account, password: str) -> bool:
        """Whether the password that was verified is still the account's. Another hash may be one of the same password,
        which a concurrent sign-in has made with the present settings."""
        if current.password_hash == verified.password_hash:
            return True
        return await self.passwords.verify(password, current.password_hash)

    async def request_reset(self, email: EmailAddress, origin: Origin) -> None:
        """Mails a token to the account's address, if there is an account. Raises: TooManyRequests."""
        await self.throttle.mail(email, origin)
        async with self.database.session() as tx:
            account_id, known_as = await accounts.id_and_email(tx, email) or (None, email.text)
            # To the stored address: the typed one may look alike and belong to somebody else.
            mails.enqueue(tx, Purpose.RESET_PASSWORD, known_as, account_id)
            record(tx, origin, Action.PASSWORD_RESET_ASKED, account_id)

    async def reset(self, token: str, new: str, origin: Origin) -> None:
        """Sets a new password and ends all sessions. The token confirms the address too.

        Raises: TokenNotGood, PasswordTooWeak.
        """
        async with self.database.session() as tx:
            account_id = (await mails.find(tx, token, Purpose.RESET_PASSWORD)).account_id
            account = await accounts.by_id(tx, account_id) or not_found(Account, account_id)
        (await self.passwords.strength(new, account.email, account.full_name)).demand()
        hashed = await self.passwords.hash(new)
        async with self.database.session() as tx:
            account = await accounts.lock(tx, account_id) or not_found(Account, account_id)
            await mails.use(tx, token, Purpose.RESET_PASSWORD)
            await mails.forget_tokens(tx, account_id, Purpose.CHANGE_EMAIL)
            if not account.active:
                raise TokenNotGood
            account.password_hash = hashed
            await mark_verified(tx, account, origin)
            await sessions.end_all(tx, account_id)
            await attempts.delete_known_addresses(tx, account_id)
            await throttle.remember(tx, account_id, origin)
            record(tx, origin, Action.PASSWORD_RESET, account_id)
            mails.enqueue(tx, Purpose.PASSWORD_CHANGED, account.email, account.id)

    async def _succeeded(self, account: Account, password: str, counted_in: list[Bucket]) -> None:
        """Undoes the count of the attempt, and hashes the password again if its hash was made with cheaper settings."""
        outdated = self.passwords.is_outdated(account.password_hash)
        better = await self.passwords.hash(password) if outdated else None
        async with self.database.session() as tx:
            current = await accounts.lock(tx, account.id) if better else None
            if better and current and await self.is_unchanged(account, current, password):
                if self.passwords.is_outdated(current.password_hash):
                    current.password_hash = better
                account.password_hash = current.password_hash
            await attempts.undo_attempts(tx, counted_in)
