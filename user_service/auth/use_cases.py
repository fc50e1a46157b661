"""Signing in, and staying signed in."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.permissions import permissions_of
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.ids import uuid7
from service_kit.runtime import Runtime
from service_kit.security.tokens import AUDIENCE
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.accounts.passwords import Passwords
from user_service.auth import queries
from user_service.auth.models import InvalidGrant, RefreshToken
from user_service.auth.schemas import TokensOut
from user_service.keys.signer import Signer
from user_service.settings import Settings


@dataclass(frozen=True)
class SignIn:
    """What signing in needs, and the two ways to do it."""

    database: Database
    passwords: Passwords
    signer: Signer
    settings: Settings

    async def by_password(self, email: str, password: str) -> TokensOut:
        """Raises: InvalidGrant. No transaction is open while the password is verified: that takes long."""
        async with self.database.tx() as tx:
            account = await accounts.by_email(tx, email)
        if not await self.passwords.verify(password, account.password_hash if account else None):
            raise InvalidGrant
        if account is None or not account.active:
            raise InvalidGrant
        return await self._issue(account, session_id=uuid7())

    async def by_refresh_token(self, token: str) -> TokensOut:
        """Raises: InvalidGrant. A token that was used before ends its session: one of the two users is a thief."""
        now = utcnow()
        async with self.database.tx() as tx:
            found = await queries.lock(tx, _hash(token))
            reused = found is not None and found.used_at is not None
            if found is None or found.expires_at <= now or reused:
                account = None
                if found is not None and reused:
                    await queries.end_session(tx, found.session_id)
            else:
                account = await accounts.by_id(tx, found.account_id)
                found.used_at = now
        if found is None or account is None or not account.active:
            raise InvalidGrant
        return await self._issue(account, found.session_id)

    async def _issue(self, account: Account, session_id: UUID) -> TokensOut:
        now = utcnow()
        permissions = sorted(permissions_of(account.roles))
        refresh_token = secrets.token_urlsafe(32)
        async with self.database.tx() as tx:
            expires_at = now + self.settings.refresh_token_lifetime
            hashed = _hash(refresh_token)
            tx.add(RefreshToken(token_hash=hashed, session_id=session_id, account_id=account.id, expires_at=expires_at))
        return TokensOut(
            access_token=await self.signer.sign(self._claims(account, permissions, session_id, now)),
            refresh_token=refresh_token,
            expires_in=int(self.settings.access_token_lifetime.total_seconds()),
            scope=" ".join(permissions),
        )

    def _claims(self, account: Account, permissions: list[str], session_id: UUID, now: datetime) -> dict[str, object]:
        return {
            "iss": self.settings.public_issuer,
            "aud": AUDIENCE,
            "sub": str(account.id),
            "iat": int(now.timestamp()),
            "exp": int((now + self.settings.access_token_lifetime).timestamp()),
            "jti": str(uuid7()),
            "sid": str(session_id),
            "client_id": "online-mart",
            "roles": account.roles,
            "permissions": permissions,
        }


async def sign_out(database: Database, refresh_token: str) -> None:
    """Ends the session that the token belongs to; one that is unknown is signed out already."""
    async with database.tx() as tx:
        if found := await queries.lock(tx, _hash(refresh_token)):
            await queries.end_session(tx, found.session_id)


async def prune(runtime: Runtime) -> None:
    async with runtime.database.tx() as tx:
        await queries.delete_expired(tx, utcnow())


def _hash(token: str) -> bytes:
    """SHA-256 is enough: the token has 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()
