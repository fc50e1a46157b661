"""Sets up, verifies and removes a second factor. Wrong attempts are counted in transactions that errors don't undo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

import pyotp

from service_kit.clock import utcnow
from service_kit.database import Database, Session
from service_kit.problems import Problem, not_found
from service_kit.runtime import Runtime
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Actor, Origin
from user_service.audit.use_cases import record
from user_service.keys.vault import Vault
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose
from user_service.mfa import queries
from user_service.mfa.models import (
    MfaNotOn,
    MfaOnAlready,
    RecoveryCode,
    SecondFactor,
    WrongProof,
    new_recovery_codes,
    recovery_hash,
)
from user_service.passwords.hashing import Passwords
from user_service.sessions import queries as session_queries
from user_service.sessions import use_cases as sessions
from user_service.sessions.models import BY_APP, BY_PASSWORD, MULTIPLE

SHOP = "Online Mart"


@dataclass(frozen=True)
class Mfa:
    """The operations on a second factor."""

    database: Database
    vault: Vault
    passwords: Passwords

    async def begin(self, actor: Actor, password: str) -> tuple[str, str]:
        """Returns a secret for the app, and the same as an `otpauth:` URI. Sign-ins need no code until it is confirmed.

        Raises: NotFound, GuestAccount, MfaOnAlready, WrongProof, TooManyTries.
        """
        await self._check_password(actor, password, on=False)
        secret = pyotp.random_base32()
        async with self.database.session() as tx:
            factor = await _lock(tx, actor.id)
            if factor.on:
                raise MfaOnAlready
            factor.count(utcnow(), right=True)
            account = await accounts.by_id(tx, actor.id) or not_found(Account, actor.id)
            factor.encrypted_secret = self.vault.encrypt(secret.encode())
        return secret, pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=SHOP)

    async def confirm(self, actor: Actor, code: str) -> list[str]:
        """Makes each sign-in require a code. Returns the recovery codes, of which only hashes are stored.

        Other sessions end, since they were begun with the password alone. Raises: MfaNotOn, MfaOnAlready, WrongProof,
        TooManyTries.
        """
        async with self.database.session() as tx:
            await accounts.lock(tx, actor.id)  # so that no sign-in with the password alone succeeds meanwhile
            factor = await _lock(tx, actor.id)
            factor.check_may_attempt(utcnow())
            if factor.on:
                raise MfaOnAlready
            if factor.encrypted_secret is None:
                raise MfaNotOn
            right = factor.accepts(self._secret(factor), code, utcnow())
            factor.count(utcnow(), right=right)
            if right:
                factor.confirmed_at = utcnow()
                await sessions.end_all(tx, actor.id, but=actor.session_id)
                await session_queries.set_methods(tx, actor.id, actor.session_id, [BY_PASSWORD, BY_APP, MULTIPLE])
                await _record(tx, actor, Action.MFA_ENABLED, Purpose.MFA_ENABLED)
                return await _make_recovery_codes(tx, actor.id)
        raise WrongProof

    async def renew_recovery_codes(self, actor: Actor, *, password: str, code: str) -> list[str]:
        """Replaces all recovery codes. Raises: MfaNotOn, WrongProof, TooManyTries."""
        await self._prove_both(actor, password, code)
        async with self.database.session() as tx:
            if not (await _lock(tx, actor.id)).on:
                raise MfaNotOn
            await _record(tx, actor, Action.RECOVERY_CODES_RENEWED, Purpose.RECOVERY_CODES_RENEWED)
            return await _make_recovery_codes(tx, actor.id)

    async def remove(self, actor: Actor, *, password: str, code: str) -> None:
        """Raises: MfaNotOn, WrongProof, TooManyTries."""
        await self._prove_both(actor, password, code)
        async with self.database.session() as tx:
            factor = await _lock(tx, actor.id)
            factor.encrypted_secret, factor.confirmed_at = None, None
            await queries.delete_recovery_codes(tx, actor.id)
            await _record(tx, actor, Action.MFA_DISABLED, Purpose.MFA_DISABLED)

    async def prove(
        self, account_id: UUID, code: str, origin: Origin, failure: Action, problem: type[Problem]
    ) -> Sequence[str]:
        """Verifies a code of the app or a recovery code. Returns the authentication methods as RFC 8176 names them.

        Raises: TooManyTries; `problem`, after recording `failure`, if the code is wrong or no factor is set up.
        """
        async with self.database.session() as tx:
            factor = await _lock(tx, account_id)
            factor.check_may_attempt(utcnow())
            methods = await self._methods(tx, factor, code) if factor.on else ()
            if factor.on:
                factor.count(utcnow(), right=bool(methods))
            if not methods:
                record(tx, origin, failure, account_id, wrong="code")
        if not methods:
            raise problem
        return methods

    async def _prove_both(self, actor: Actor, password: str, code: str) -> None:
        """Checks password and code as one attempt: if a correct password reset the count of wrong codes, a thief of the
        password could guess codes without limit. Raises: MfaNotOn, WrongProof, TooManyTries."""
        await self._check_password(actor, password, on=True)
        async with self.database.session() as tx:
            factor = await _lock(tx, actor.id)
            if not factor.on:
                raise MfaNotOn
            right = bool(await self._methods(tx, factor, code))
            if right:
                factor.count(utcnow(), right=True)
        if not right:
            await self._reject(actor)

    async def _check_password(self, actor: Actor, password: str, *, on: bool) -> None:
        """Counts the attempt as wrong before the slow verification: others run in parallel. The caller resets it.

        Raises: MfaNotOn, MfaOnAlready, before anything is counted, unless the factor is as `on` says; WrongProof,
        TooManyTries.
        """
        async with self.database.session() as tx:
            factor = await _lock(tx, actor.id)
            if factor.on is not on:
                raise MfaNotOn if on else MfaOnAlready
            account = await accounts.by_id(tx, actor.id) or not_found(Account, actor.id)
            account.check_registered()
            factor.check_may_attempt(utcnow())
            factor.count(utcnow(), right=False)
        if not await self.passwords.verify(password, account.password_hash):
            await self._reject(actor)

    async def _methods(self, tx: Session, factor: SecondFactor, code: str) -> Sequence[str]:
        """The authentication methods (RFC 8176) that the code proves; none if it is wrong. Deletes a recovery code."""
        if factor.accepts(self._secret(factor), code, utcnow()):
            return BY_APP, MULTIPLE
        is_recovery_code = await queries.use_recovery_code(tx, recovery_hash(factor.account_id, code))
        return (MULTIPLE,) if is_recovery_code else ()

    async def _reject(self, actor: Actor) -> NoReturn:
        async with self.database.session() as tx:
            record(tx, actor, Action.MFA_CHANGE_REFUSED, actor.id)
        raise WrongProof

    def _secret(self, factor: SecondFactor) -> str:
        return self.vault.decrypt(factor.encrypted_secret or b"").decode()


async def renew_encryption(runtime: Runtime) -> None:
    """A job that re-encrypts secrets which were encrypted with the former encryption secret."""
    await encrypt_again(runtime.database, runtime.resource(Vault))


async def encrypt_again(database: Database, vault: Vault) -> int:
    """Encrypts with the present secret what was encrypted with the former one. Returns for how many accounts."""
    count = 0
    async with database.session() as tx:
        for factor in await queries.encrypted(tx):
            if renewed := vault.renewed(factor.encrypted_secret or b""):
                factor.encrypted_secret = renewed
                count += 1
    return count


async def _lock(tx: Session, account_id: UUID) -> SecondFactor:
    return await queries.lock(tx, account_id) or not_found(Account, account_id)


async def _record(tx: Session, actor: Actor, action: Action, notice: Purpose) -> None:
    """Adds an entry to the audit log, and notifies the account's owner by mail."""
    record(tx, actor, action, actor.id)
    account = await accounts.by_id(tx, actor.id) or not_found(Account, actor.id)
    mails.enqueue(tx, notice, account.email, account.id)


async def _make_recovery_codes(tx: Session, account_id: UUID) -> list[str]:
    await queries.delete_recovery_codes(tx, account_id)
    codes = new_recovery_codes()
    tx.add_all(RecoveryCode(code_hash=recovery_hash(account_id, code), account_id=account_id) for code in codes)
    return codes
