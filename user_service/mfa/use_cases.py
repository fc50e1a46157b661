"""Setting a second factor up, proving it, and removing it. Each wrong try is counted, also where the request fails."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pyotp

from service_kit.clock import utcnow
from service_kit.database import Database, Session
from service_kit.problems import not_found
from service_kit.runtime import Runtime
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Origin
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
    """What one can do with one's second factor."""

    database: Database
    vault: Vault
    passwords: Passwords

    async def begin(self, account_id: UUID, origin: Origin, password: str) -> tuple[str, str]:
        """A secret for the app, and the same as an `otpauth:` address. Nothing is asked for until it is confirmed.

        Raises: NotFound, MfaOnAlready, WrongProof, TooManyTries.
        """
        async with self._failures_recorded(account_id, origin):
            await self.prove_password(account_id, password)
        secret = pyotp.random_base32()
        async with self.database.session() as tx:
            factor = await _lock(tx, account_id)
            if factor.on:
                raise MfaOnAlready
            account = await accounts.by_id(tx, account_id) or not_found(Account, account_id)
            factor.encrypted_secret = self.vault.encrypt(secret.encode())
        return secret, pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=SHOP)

    async def confirm(self, account_id: UUID, origin: Origin, code: str) -> list[str]:
        """From now on a code is asked for at each sign-in; the recovery codes, which nobody can read again.

        Other sessions end: whoever opened them has shown one factor alone. Raises: MfaNotOn, MfaOnAlready, WrongProof,
        TooManyTries.
        """
        async with self.database.session() as tx:
            await accounts.lock(tx, account_id)  # nobody signs in meanwhile, by the password alone
            factor = await _lock(tx, account_id)
            factor.check_may_attempt(utcnow())
            if factor.on:
                raise MfaOnAlready
            if factor.encrypted_secret is None:
                raise MfaNotOn
            right = self._is_code(factor, code)
            codes = await _turn_on(tx, factor, origin) if right else []
        if not right:
            raise WrongProof
        return codes

    async def renew_recovery_codes(self, account_id: UUID, origin: Origin, *, password: str, code: str) -> list[str]:
        """The former ones are invalid. Raises: MfaNotOn, WrongProof, TooManyTries."""
        await self._prove_both(account_id, origin, password, code)
        async with self.database.session() as tx:
            if not (await _lock(tx, account_id)).on:
                raise MfaNotOn
            record(tx, origin, Action.RECOVERY_CODES_RENEWED, account_id)
            await _notify_owner(tx, account_id, Purpose.RECOVERY_CODES_RENEWED)
            return await _make_recovery_codes(tx, account_id)

    async def remove(self, account_id: UUID, origin: Origin, *, password: str, code: str) -> None:
        """Raises: MfaNotOn, WrongProof, TooManyTries."""
        await self._prove_both(account_id, origin, password, code)
        async with self.database.session() as tx:
            factor = await _lock(tx, account_id)
            factor.encrypted_secret, factor.confirmed_at = None, None
            await queries.delete_recovery_codes(tx, account_id)
            record(tx, origin, Action.MFA_DISABLED, account_id)
            await _notify_owner(tx, account_id, Purpose.MFA_DISABLED)

    async def prove(self, account_id: UUID, code: str) -> Sequence[str]:
        """By a code of the app, or by a recovery code: what RFC 8176 calls that.

        Raises: MfaNotOn, WrongProof, TooManyTries.
        """
        async with self.database.session() as tx:
            factor = await _lock(tx, account_id)
            factor.check_may_attempt(utcnow())
            if not factor.on:
                raise MfaNotOn
            if self._is_code(factor, code):
                return BY_APP, MULTIPLE
            if await queries.use_recovery_code(tx, recovery_hash(account_id, code)):
                factor.succeeded()
                return (MULTIPLE,)
        raise WrongProof

    async def prove_password(self, account_id: UUID, password: str) -> None:
        """Raises: WrongProof, TooManyTries."""
        await self._check_password(account_id, password)
        async with self.database.session() as tx:
            (await _lock(tx, account_id)).succeeded()

    async def _prove_both(self, account_id: UUID, origin: Origin, password: str, code: str) -> None:
        """Password and code are one try: a right password must not wipe out the wrong codes before it, else whoever
        has stolen the password could guess codes for ever."""
        async with self.database.session() as tx:
            if not (await _lock(tx, account_id)).on:
                raise MfaNotOn
        async with self._failures_recorded(account_id, origin):
            await self._check_password(account_id, password)
            async with self.database.session() as tx:
                factor = await _lock(tx, account_id)
                right = await self._accepts(tx, factor, code)
                if right:
                    factor.succeeded()
            if not right:
                raise WrongProof

    async def _check_password(self, account_id: UUID, password: str) -> None:
        """Counted as wrong before it is looked at, which takes long, so that no others slip by meanwhile."""
        async with self.database.session() as tx:
            factor = await _lock(tx, account_id)
            account = await accounts.by_id(tx, account_id) or not_found(Account, account_id)
            factor.check_may_attempt(utcnow())
            factor.failed(utcnow())
        if not await self.passwords.verify(password, account.password_hash):
            raise WrongProof

    async def _accepts(self, tx: Session, factor: SecondFactor, code: str) -> bool:
        """A code of the app or a recovery code, which is used up. Raises: MfaNotOn."""
        if not factor.on:
            raise MfaNotOn
        secret = self.vault.decrypt(factor.encrypted_secret or b"").decode()
        return factor.accepts(secret, code, utcnow()) or await queries.use_recovery_code(
            tx, recovery_hash(factor.account_id, code)
        )

    @asynccontextmanager
    async def _failures_recorded(self, account_id: UUID, origin: Origin) -> AsyncIterator[None]:
        try:
            yield
        except WrongProof:
            async with self.database.session() as tx:
                record(tx, origin, Action.MFA_CHANGE_REFUSED, account_id)
            raise

    def _is_code(self, factor: SecondFactor, code: str) -> bool:
        """Counts the outcome."""
        secret = self.vault.decrypt(factor.encrypted_secret or b"").decode()
        right = factor.accepts(secret, code, utcnow())
        if right:
            factor.succeeded()
        else:
            factor.failed(utcnow())
        return right


async def renew_encryption(runtime: Runtime) -> None:
    """Puts what the former encryption secret has encrypted under the present one."""
    vault = runtime.resource(Vault)
    async with runtime.database.session() as tx:
        for factor in await queries.encrypted(tx):
            factor.encrypted_secret = vault.renewed(factor.encrypted_secret or b"") or factor.encrypted_secret


async def _lock(tx: Session, account_id: UUID) -> SecondFactor:
    return await queries.lock(tx, account_id) or not_found(Account, account_id)


async def _turn_on(tx: Session, factor: SecondFactor, origin: Origin) -> list[str]:
    factor.confirmed_at = utcnow()
    await sessions.end_all(tx, factor.account_id, but=origin.session_id)
    await session_queries.prove(tx, factor.account_id, origin.session_id, [BY_PASSWORD, BY_APP, MULTIPLE])
    record(tx, origin, Action.MFA_ENABLED, factor.account_id)
    await _notify_owner(tx, factor.account_id, Purpose.MFA_ENABLED)
    return await _make_recovery_codes(tx, factor.account_id)


async def _notify_owner(tx: Session, account_id: UUID, what: Purpose) -> None:
    account = await accounts.by_id(tx, account_id) or not_found(Account, account_id)
    mails.enqueue(tx, what, account.email, account.id)


async def _make_recovery_codes(tx: Session, account_id: UUID) -> list[str]:
    await queries.delete_recovery_codes(tx, account_id)
    codes = new_recovery_codes()
    tx.add_all(RecoveryCode(code_hash=recovery_hash(account_id, code), account_id=account_id) for code in codes)
    return codes
