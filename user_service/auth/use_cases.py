"""Signs in people and API clients, and renews and revokes tokens."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from cryptography.fernet import InvalidToken

from contracts.permissions import Permission, Role, is_known, permissions_of
from service_kit.clock import utcnow
from service_kit.database import Database, Session
from service_kit.ids import uuid7
from service_kit.problems import Unauthenticated
from service_kit.security.principal import FIRST_PARTY
from service_kit.security.revocations import PermissionRevoked
from service_kit.security.tokens import AUDIENCE, TokenVerifier
from service_kit.telemetry import caller
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.api_clients import use_cases as api_clients
from user_service.api_clients.models import ApiClient
from user_service.audit.models import Action, Origin
from user_service.audit.use_cases import record
from user_service.auth.models import (
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    MfaRequired,
    UnauthorizedClient,
    UnsupportedTokenType,
    WrongCode,
)
from user_service.auth.schemas import TokensOut
from user_service.base import hash_of
from user_service.emails import EmailAddress
from user_service.keys.signer import Signer
from user_service.keys.vault import Vault
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose
from user_service.mfa import queries as factors
from user_service.mfa.use_cases import Mfa
from user_service.passwords.use_cases import PasswordService
from user_service.roles.grants import permissions_held
from user_service.sessions import use_cases as sessions
from user_service.sessions.models import BY_PASSWORD, UserSession
from user_service.sessions.use_cases import RefreshTokenReused
from user_service.settings import Settings
from user_service.throttle import use_cases as throttle

log = structlog.get_logger(__name__)

MFA_TOKEN_LIFETIME = timedelta(minutes=5)
# All that staff may do before they have set up the second factor that `mfa_required_for_staff` demands.
ENROL_ONLY = frozenset({Permission.MFA_WRITE.value})


SignedIn = tuple[TokensOut, str]
"""The tokens, and the value of the cookie by which the device is recognised (`audit.devices`)."""


@dataclass(frozen=True)
class SignIn:
    """The grants of the token endpoint."""

    database: Database
    password_service: PasswordService
    mfa: Mfa
    signer: Signer
    vault: Vault
    settings: Settings

    async def by_password(self, email: str, password: str, origin: Origin, otp: str | None = None) -> SignedIn:
        """Raises: InvalidGrant, TooManyRequests, MfaRequired (without `otp`), WrongCode, TooManyTries."""
        account = await self.password_service.verify(EmailAddress.of(email), password, origin)
        if account is None:
            raise InvalidGrant
        async with self.database.session() as tx:
            has_second_factor = await factors.is_on(tx, account.id)
        if not has_second_factor:
            return await self._begin(account, origin, ())
        if otp is None:
            raise self._mfa_required(account)
        return await self._begin_with_code(account, otp, origin)

    async def by_code(self, mfa_token: str, otp: str, origin: Origin) -> SignedIn:
        """Completes a sign-in that needs a second factor. Raises: InvalidGrant, WrongCode, TooManyTries."""
        return await self._begin_with_code(await self._account_of(mfa_token), otp, origin)

    async def _begin_with_code(self, account: Account, otp: str, origin: Origin) -> SignedIn:
        factor = await self.mfa.prove(account.id, otp, origin, Action.SIGN_IN_FAILED, WrongCode)
        return await self._begin(account, origin, factor)

    async def by_refresh_token(self, token: str, origin: Origin) -> TokensOut:
        """Issues the next pair of tokens. A reused refresh token ends its session. Raises: InvalidGrant."""
        try:
            return await self._renewed(token, origin)
        except RefreshTokenReused as reused:
            async with self.database.session() as tx:
                await sessions.end(tx, origin, reused.account_id, reused.session_id, Action.SESSION_STOLEN)
            raise InvalidGrant from reused

    async def _renewed(self, token: str, origin: Origin) -> TokensOut:
        async with self.database.session() as tx:
            renewed = await sessions.renew(tx, self.vault, token, origin, self.settings)
            account = await accounts.by_id(tx, renewed[0].account_id) if renewed else None
            permissions = await self._permissions(tx, account, renewed[0]) if renewed and account else frozenset()
        if renewed is None or account is None or not account.active:
            raise InvalidGrant
        return await self._for_person(account, permissions, *renewed)

    async def check_password_client(self, client_id: str, secret: str, origin: Origin) -> None:
        """Checks that this client may send people's passwords. An API client must send its secret; a frontend has none.

        Raises: UnauthorizedClient, InvalidClient.
        """
        if client_id not in self.settings.may_send_passwords:
            raise UnauthorizedClient
        if api_clients.is_id(client_id):
            await self._authenticate(client_id, secret, origin)

    async def _authenticate(self, client_id: str, secret: str, origin: Origin) -> ApiClient:
        async with self.database.session() as tx:
            client = await api_clients.authenticate(tx, client_id, secret, origin)
        if client is None:
            log.warning("api_client_rejected", client_id=client_id[:64])
            raise InvalidClient
        caller.current.set(("client_id", str(client.id)))
        log.info("api_client_signed_in")
        return client

    async def by_client_secret(self, client_id: str, secret: str, scope: str, origin: Origin) -> TokensOut:
        """`scope`: the requested permissions, separated by spaces; empty: all. Raises: InvalidClient, InvalidScope."""
        client = await self._authenticate(client_id, secret, origin)
        allowed = frozenset(filter(is_known, client.permissions))
        asked = frozenset(scope.split()) or allowed
        if asked - allowed:
            raise InvalidScope(scope=" ".join(sorted(asked - allowed)))
        claims = {"client_id": str(client.id), "roles": []}
        return await self._access_token(client.id, asked, claims, client.expires_at)

    async def _begin(self, account: Account, origin: Origin, factor: Sequence[str]) -> SignedIn:
        """Begins a session. `factor`: the authentication methods beside the password, as RFC 8176 names them."""
        async with self.database.session() as tx:
            current = await accounts.lock(tx, account.id, shared=True)
            if current is None or not current.active or current.password_hash != account.password_hash:
                raise InvalidGrant  # disabled or given another password while this one was verified
            if not factor and await factors.is_on(tx, current.id):
                raise self._mfa_required(current)  # the second factor was set up in the meantime
            session, refresh_token = await sessions.begin(tx, current.id, origin, self.settings, (BY_PASSWORD, *factor))
            permissions = await self._permissions(tx, current, session)
            if await self.password_service.throttle.is_new_device(tx, current, origin):
                mails.enqueue(tx, Purpose.NEW_DEVICE, current.email, current.id)
            await throttle.remember(tx, current.id, origin)
            record(tx, replace(origin, session_id=session.id), Action.SIGN_IN_SUCCEEDED, current.id)
        tokens = await self._for_person(current, permissions, session, refresh_token)
        return tokens, self.password_service.throttle.device_cookie(EmailAddress.of(current.email), origin)

    async def begin_session(
        self, tx: Session, account: Account, origin: Origin, methods: Sequence[str] = ()
    ) -> Callable[[], Awaitable[TokensOut]]:
        """Begins a session of a locked account without asking for its password. Returns what makes the tokens: call it
        after the commit."""
        session, refresh_token = await sessions.begin(tx, account.id, origin, self.settings, methods)
        permissions = await self._permissions(tx, account, session)
        return partial(self._for_person, account, permissions, session, refresh_token)

    async def _permissions(self, tx: Session, account: Account, session: UserSession) -> frozenset[str]:
        held = await permissions_held(tx, account.roles)
        is_staff = not held <= permissions_of([Role.USER])
        if is_staff and self.settings.staff_need_mfa:
            return held if session.has_second_factor and await factors.is_on(tx, account.id) else ENROL_ONLY
        return held

    async def _for_person(
        self, account: Account, permissions: frozenset[str], session: UserSession, refresh_token: str
    ) -> TokensOut:
        caller.current.set(("user_id", account.id))
        claims = {
            "client_id": FIRST_PARTY,
            "sid": str(session.id),
            "auth_time": int(session.created_at.timestamp()),
            "amr": session.methods,
            "roles": account.roles,
        }
        tokens = await self._access_token(account.id, permissions, claims)
        return tokens.model_copy(update={"refresh_token": refresh_token})

    async def _access_token(
        self, subject: UUID, permissions: frozenset[str], claims: dict[str, Any], ends_at: datetime | None = None
    ) -> TokensOut:
        """`ends_at`: the end date of the API client, after which its token must not be valid; None for people."""
        now, longest = utcnow(), self.settings.access_token_lifetime
        lifetime = min(longest, ends_at - now) if ends_at else longest
        claims |= {
            "iss": self.settings.public_issuer,
            "aud": AUDIENCE,
            "sub": str(subject),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": str(uuid7()),
            "permissions": sorted(permissions),
        }
        signed, seconds = await self.signer.sign(claims), int(lifetime.total_seconds())
        return TokensOut(access_token=signed, expires_in=seconds, scope=" ".join(claims["permissions"]))

    def _mfa_required(self, account: Account) -> MfaRequired:
        """Its `mfa_token` proves that the password was right. A change of the password makes the token invalid."""
        fingerprint = hash_of(account.password_hash).hex()
        token = self.vault.encrypt(f"mfa {account.id} {fingerprint}".encode()).decode()
        return MfaRequired(mfa_token=token, expires_in=int(MFA_TOKEN_LIFETIME.total_seconds()))

    async def _account_of(self, mfa_token: str) -> Account:
        try:
            kind, id, fingerprint = self.vault.decrypt(mfa_token.encode(), within=MFA_TOKEN_LIFETIME).decode().split()
        except (InvalidToken, ValueError) as error:
            raise InvalidGrant from error
        async with self.database.session() as tx:
            account = await accounts.by_id(tx, UUID(id)) if kind == "mfa" else None
        if account is None or not account.active or hash_of(account.password_hash).hex() != fingerprint:
            raise InvalidGrant
        return account


async def revoke(tx: Session, verifier: TokenVerifier, token: str, origin: Origin) -> None:
    """Ends the session of a refresh token or an access token; an invalid token changes nothing.

    Raises: UnsupportedTokenType, KeysMissing.
    """
    await sessions.end_by_token(tx, token, origin)
    try:
        who = verifier.verify(token)
    except (Unauthenticated, PermissionRevoked):
        return
    if who.session_id is None:
        raise UnsupportedTokenType
    await sessions.end(tx, origin.by(who), who.user_id, who.session_id)
