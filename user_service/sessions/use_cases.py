"""Begins, renews and ends sessions."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from contracts.events.users import SessionEnded
from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.security import account_status
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Actor, Origin
from user_service.audit.use_cases import record
from user_service.base import hash_of, new_token, pruning
from user_service.keys.vault import Vault
from user_service.roles import grants
from user_service.roles.snapshots import publish
from user_service.sessions import queries
from user_service.sessions.models import RETRY_GRACE, RefreshToken, UserSession
from user_service.settings import Settings


class RefreshTokenReused(Exception):
    """A refresh token was used again after its successor was used, or by another program: it was probably stolen."""

    def __init__(self, account_id: UUID, session_id: UUID) -> None:
        super().__init__()
        self.account_id, self.session_id = account_id, session_id


async def begin(
    tx: Session, account_id: UUID, origin: Origin, settings: Settings, methods: Sequence[str]
) -> tuple[UserSession, str]:
    """Creates a session and its first refresh token. `methods`: the authentication methods, as RFC 8176 names them."""
    session = UserSession(account_id=account_id, expires_at=utcnow(), methods=list(methods))
    session.use(origin, session.created_at, settings)
    tx.add(session)
    await tx.flush()
    token = new_token()
    tx.add(RefreshToken(token_hash=hash_of(token), session_id=session.id))
    return session, token


async def renew(
    tx: Session, vault: Vault, token: str, origin: Origin, settings: Settings
) -> tuple[UserSession, str] | None:
    """The session and its next refresh token; None if the token is invalid.

    A retry (after a lost response, or by parallel calls) gets the same next token, so that there is only one. Any other
    second use means that the token was probably stolen. Raises: RefreshTokenReused. The caller then ends the session in
    another transaction, since accounts must be locked before sessions.
    """
    now = utcnow()
    session = await queries.by_token(tx, hash_of(token), locked=True)
    if session is None or session.expires_at <= now:
        return None
    used = await queries.token(tx, hash_of(token))
    assert used is not None  # it is deleted only with its session, which is locked
    successors = [urlsafe_b64encode(value).decode().rstrip("=") for value in vault.derive("refresh-token", token)]
    if used.used_at is None:
        used.used_at = now
        tx.add(RefreshToken(token_hash=hash_of(successors[0]), session_id=session.id))
        session.use(origin, now, settings)
        return session, successors[0]
    if now - used.used_at <= RETRY_GRACE and (origin.user_agent or "") == session.user_agent:
        for successor in successors:
            made = await queries.token(tx, hash_of(successor))
            if made is not None and made.used_at is None:
                return session, successor
    raise RefreshTokenReused(session.account_id, session.id)


async def end_by_token(tx: Session, token: str, origin: Origin) -> None:
    """Ends the session of a refresh token, if there is one."""
    if session := await queries.by_token(tx, hash_of(token)):
        await end(tx, origin, session.account_id, session.id)


async def end(
    tx: Session, origin: Origin, account_id: UUID, session_id: UUID, action: Action = Action.SESSION_ENDED
) -> bool:
    """Ends one session. Returns False if the account has no such session."""
    ended = await end_all(tx, account_id, only=session_id)
    if ended:
        record(tx, origin, action, account_id, session=session_id)
    return bool(ended)


async def end_others(tx: Session, actor: Actor) -> None:
    """Ends all of the caller's sessions but the present one."""
    await end_all(tx, actor.id, but=actor.session_id)
    record(tx, actor, Action.OTHER_SESSIONS_ENDED, actor.id)


async def end_by_staff(tx: Session, actor: Actor, account_id: UUID) -> None:
    """Signs an account out everywhere. Raises: NotFound, NotYoursToGive, PermissionRevoked."""
    account = await accounts.lock(tx, account_id) or not_found(Account, account_id)
    await grants.check_roles(tx, actor.who, account.roles)
    await end_all(tx, account_id)
    record(tx, actor, Action.SESSIONS_ENDED_BY_STAFF, account_id, changes={"sessions": None})


async def end_all(tx: Session, account_id: UUID, *, only: UUID | None = None, but: UUID | None = None) -> list[UUID]:
    """Ends the account's sessions, or one of them, or all but one. The event makes every service reject their access
    tokens. Returns their ids. The account is locked before its sessions.

    The snapshot that follows the event names the ended sessions too, since compaction keeps only a key's last event.
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


prune = pruning((UserSession.expires_at, timedelta(0)))
