"""Every statement about refresh tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select

from service_kit.database import Tx
from user_service.auth.models import RefreshToken


async def lock(tx: Tx, token_hash: bytes) -> RefreshToken | None:
    """The token, held until the transaction ends, so that of two uses at once one is the second."""
    statement = select(RefreshToken).where(RefreshToken.token_hash == token_hash).with_for_update()
    return (await tx.exec(statement)).first()


async def end_session(tx: Tx, session_id: UUID) -> None:
    await tx.exec(delete(RefreshToken).where(col(RefreshToken.session_id) == session_id))


async def delete_expired(tx: Tx, now: datetime) -> None:
    await tx.exec(delete(RefreshToken).where(col(RefreshToken.expires_at) < now))
