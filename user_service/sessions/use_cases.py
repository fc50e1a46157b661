"""Opening, renewing and ending sessions."""

import secrets
from collections.abc import Sequence
from uuid import UUID

from contracts.events.users import SessionEnded
from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime
from service_kit.security import Principal, account_status
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Origin
from user_service.audit.use_cases import record
from user_service.keys.vault import Vault
from user_service.roles import grants
from user_service.roles.snapshots import publish
from user_service.sessions import queries
from user_service.sessions.models import (
    BY_PASSWORD,
    RETRY_GRACE,
    Lifetimes,
    RefreshToken,
    UserSession,
    as_token,
    hash_of,
)


class RefreshTokenReused(Exception):
    """A refresh token came again after its successor was used, or from another program: one of two users is a thief."""

    def __init__(self, account_id: UUID, session_id: UUID) -> None:
        super().__init__()
        self.account_id, self.session_id = account_id, session_id


async def begin(
    tx: Session, account_id: UUID, origin: Origin, lifetimes: Lifetimes, factor: Sequence[str]
) -> tuple[UserSession, str]:
    """A new session, by a password and what else was proven, and its first refresh token."""
    session = UserSession(account_id=account_id, expires_at=utcnow(), methods=[BY_PASSWORD, *factor])
    session.use(origin, session.created_at, lifetimes)
    tx.add(session)
    await tx.flush()
    token = secrets.token_urlsafe(32)
    tx.add(RefreshToken(token_hash=hash_of(token), session_id=session.id))
    return session, token


async def renew(
    tx: Session, vault: Vault, token: str, origin: Origin, lifetimes: Lifetimes
) -> tuple[UserSession, str] | None:
    """The session and its next refresh token; None where the token is not good.

    A retry (the answer got lost, or fifty calls at once) gets the same next token, so that there is only one. Any other
    second use means that one of two users is a thief. Raises: RefreshTokenReused; the session is to be ended then, by
    a transaction that locks the account first, as everywhere.
    """
    now = utcnow()
    session = await queries.lock_session_of(tx, hash_of(token))
    if session is None or session.expires_at <= now:
        return None
    used = await queries.token(tx, hash_of(token))
    assert used is not None  # it goes with its session, which is held
    successors = [as_token(value) for value in vault.derive("refresh-token", token)]
    if used.used_at is None:
        used.used_at = now
        tx.add(RefreshToken(token_hash=hash_of(successors[0]), session_id=session.id))
        session.use(origin, now, lifetimes)
        return session, successors[0]
    if now - used.used_at <= RETRY_GRACE and (origin.user_agent or "") == session.user_agent:
        for successor in successors:
            made = await queries.token(tx, hash_of(successor))
            if made is not None and made.used_at is None:
                return session, successor
    raise RefreshTokenReused(session.account_id, session.id)


async def end_stolen(tx: Session, origin: Origin, account_id: UUID, session_id: UUID) -> None:
    """A refresh token came a second time: owner and thief must sign in."""
    if await _end(tx, account_id, only=session_id):
        record(tx, origin, Action.SESSION_STOLEN, account_id, session=str(session_id))


async def end_by_token(tx: Session, token: str, origin: Origin) -> None:
    """Signing out; a session that is unknown has ended already."""
    if found := await queries.find_by_token(tx, hash_of(token)):
        account_id, session_id = found
        if await _end(tx, account_id, only=session_id):
            record(tx, origin, Action.SESSION_ENDED, account_id, session=str(session_id))


async def end(tx: Session, origin: Origin, account_id: UUID, session_id: UUID) -> None:
    """Raises: NotFound, also where it is somebody else's."""
    if not await _end(tx, account_id, only=session_id):
        not_found(UserSession, session_id)
    record(tx, origin, Action.SESSION_ENDED, account_id, session=str(session_id))


async def end_others(tx: Session, origin: Origin, account_id: UUID) -> None:
    """All of the account's sessions but the one that asks."""
    await _end(tx, account_id, but=origin.session_id)
    record(tx, origin, Action.OTHER_SESSIONS_ENDED, account_id)


async def end_all(tx: Session, account_id: UUID, *, but: UUID | None = None) -> None:
    """All of the account's sessions, or all `but` one, as a part of something else."""
    await _end(tx, account_id, but=but)


async def end_by_staff(tx: Session, who: Principal, origin: Origin, account_id: UUID) -> None:
    """Signs an account out everywhere. Raises: NotFound, NotYoursToGive, PermissionRevoked."""
    account = await accounts.lock(tx, account_id) or not_found(Account, account_id)
    await grants.check_roles(tx, who, account.roles)
    await end_all(tx, account_id)
    record(tx, origin, Action.SESSIONS_ENDED_BY_STAFF, account_id, changes={"sessions": None})


async def _end(tx: Session, account_id: UUID, *, only: UUID | None = None, but: UUID | None = None) -> list[UUID]:
    """Ends sessions, and tells every service to reject their access tokens. The account is locked before its sessions.

    The snapshot that follows the event has the ended sessions too: the topic is compacted, and keeps a key's last.
    """
    account = await accounts.lock(tx, account_id)
    ended = await queries.delete_of(tx, account_id, only=only, but=but)
    if account is not None and ended:
        account.version += 2
        event = SessionEnded(user_id=account_id, version=account.version - 1, session_ids=ended, ended_at=utcnow())
        await outbox.add(tx, event)
        await account_status.end_sessions(tx, event)
        await publish(tx, account)
    return ended


async def prune(runtime: Runtime) -> None:
    async with runtime.database.session() as tx:
        await queries.delete_expired(tx, utcnow())
