"""Every statement about sessions and their refresh tokens. A session is locked before its tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col, select

from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset
from user_service.sessions.models import RefreshToken, UserSession


async def by_token(tx: Session, token_hash: bytes, *, locked: bool = False) -> UserSession | None:
    """The session of a refresh token. `locked`: locks it, so that parallel uses of the token wait for each other."""
    statement = select(UserSession).join(RefreshToken, col(RefreshToken.session_id) == UserSession.id)
    statement = statement.where(RefreshToken.token_hash == token_hash)
    return (await tx.exec(statement.with_for_update(of=UserSession) if locked else statement)).first()


async def token(tx: Session, token_hash: bytes) -> RefreshToken | None:
    return (await tx.exec(select(RefreshToken).where(RefreshToken.token_hash == token_hash))).first()


async def of_account(tx: Session, account_id: UUID, now: datetime, position: Position) -> Slice[UserSession]:
    """Newest first."""
    statement = select(UserSession).where(UserSession.account_id == account_id, UserSession.expires_at > now)
    return await keyset(tx, statement, position, UserSession.id)


async def delete_of(tx: Session, account_id: UUID, *, only: UUID | None = None, but: UUID | None = None) -> list[UUID]:
    """Deletes the account's sessions, or one of them, or all but one, including expired ones. Returns their ids."""
    statement = delete(UserSession).where(col(UserSession.account_id) == account_id)
    if only is not None:
        statement = statement.where(col(UserSession.id) == only)
    if but is not None:
        statement = statement.where(col(UserSession.id) != but)
    return list((await tx.exec(statement.returning(col(UserSession.id)))).scalars())


async def set_methods(tx: Session, account_id: UUID, session_id: UUID | None, methods: list[str]) -> None:
    """Sets the authentication methods of a session."""
    statement = update(UserSession).where(col(UserSession.id) == session_id, col(UserSession.account_id) == account_id)
    await tx.exec(statement.values(methods=methods))
