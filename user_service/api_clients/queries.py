"""Every statement about API clients."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset
from user_service.api_clients.models import ApiClient, ClientSecret


async def by_id(tx: Session, client_id: UUID) -> ApiClient | None:
    return await tx.get(ApiClient, client_id)


async def lock(tx: Session, client_id: UUID) -> ApiClient | None:
    return (await tx.exec(select(ApiClient).where(ApiClient.id == client_id).with_for_update())).first()


async def owner_of(tx: Session, client_id: UUID) -> UUID | None:
    return (await tx.exec(select(ApiClient.owner_id).where(ApiClient.id == client_id))).first()


async def lock_owned(tx: Session, owner_id: UUID) -> list[ApiClient]:
    """The active clients of this owner, locked."""
    statement = select(ApiClient).where(ApiClient.owner_id == owner_id, col(ApiClient.active))
    return list((await tx.exec(statement.order_by(col(ApiClient.id)).with_for_update())).all())


async def listed(tx: Session, position: Position) -> Slice[ApiClient]:
    """Newest first."""
    return await keyset(tx, select(ApiClient), position, ApiClient.id)


async def secrets_of(tx: Session, client_ids: Iterable[UUID]) -> list[ClientSecret]:
    """Oldest first."""
    statement = select(ClientSecret).where(col(ClientSecret.client_id).in_(list(client_ids)))
    return list((await tx.exec(statement.order_by(col(ClientSecret.id)))).all())


async def record_use(tx: Session, secret_id: UUID) -> None:
    await tx.exec(update(ClientSecret).where(col(ClientSecret.id) == secret_id).values(last_used_at=utcnow()))
