"""Every statement about sessions and their refresh tokens. Of a session and its tokens, the session is locked first."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col, select

from service_kit.database import Tx
from service_kit.database.keyset import Position, Slice, keyset
from user_service.sessions.models import RefreshToken, Session


async def lock_session_of(tx: Tx, token_hash: bytes) -> Session | None:
    """The session of a refresh token, held until the transaction ends: of two uses at once one is the second."""
    statement = select(Session).join(RefreshToken, col(RefreshToken.session_id) == Session.id)
    statement = statement.where(RefreshToken.token_hash == token_hash)
    return (await tx.exec(statement.with_for_update(of=Session))).first()


async def token(tx: Tx, token_hash: bytes) -> RefreshToken | None:
    return (await tx.exec(select(RefreshToken).where(RefreshToken.token_hash == token_hash))).first()


async def of_account(tx: Tx, account_id: UUID, now: datetime, position: Position) -> Slice[Session]:
    """Newest first."""
    statement = select(Session).where(Session.account_id == account_id, Session.expires_at > now)
    return await keyset(tx, statement, position, Session.id)


async def find_by_token(tx: Tx, token_hash: bytes) -> tuple[UUID, UUID] | None:
    """The account and the session of a refresh token, neither of them locked."""
    statement = select(Session.account_id, Session.id).join(RefreshToken, col(RefreshToken.session_id) == Session.id)
    found = (await tx.exec(statement.where(RefreshToken.token_hash == token_hash))).first()
    return (found[0], found[1]) if found else None


async def delete_of(tx: Tx, account_id: UUID, *, only: UUID | None = None, but: UUID | None = None) -> list[UUID]:
    """The account's sessions, or one of them, or all but one: the ids of those that went. Expired ones go too."""
    statement = delete(Session).where(col(Session.account_id) == account_id)
    if only is not None:
        statement = statement.where(col(Session.id) == only)
    if but is not None:
        statement = statement.where(col(Session.id) != but)
    return list((await tx.exec(statement.returning(col(Session.id)))).scalars())


async def prove(tx: Tx, account_id: UUID, session_id: UUID | None, methods: list[str]) -> None:
    """What the account's owner has proven within this session, from now on."""
    statement = update(Session).where(col(Session.id) == session_id, col(Session.account_id) == account_id)
    await tx.exec(statement.values(methods=methods))


async def delete_expired(tx: Tx, now: datetime) -> None:
    await tx.exec(delete(Session).where(col(Session.expires_at) < now))
