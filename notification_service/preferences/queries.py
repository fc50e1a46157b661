"""Every statement about preferences."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from notification_service.preferences.models import Preferences
from service_kit.database import Session


async def find(tx: Session, customer_id: UUID) -> Preferences | None:
    return await tx.get(Preferences, customer_id)


async def lock(tx: Session, customer_id: UUID) -> Preferences:
    """Locks the customer's row until the transaction ends. If there is none, an empty one is added first."""
    empty = insert(Preferences).values(customer_id=customer_id, email_off=[], version=0)
    await tx.exec(empty.on_conflict_do_nothing())
    mine = select(Preferences).where(col(Preferences.customer_id) == customer_id).with_for_update()
    return (await tx.exec(mine)).one()
