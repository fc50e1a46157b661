"""Every statement about tax zones and rates."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, or_, select

from order_service.taxes.models import TaxRate, TaxZone
from service_kit.database import Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching

LOCK_ZONES = Statement("SELECT pg_advisory_xact_lock(0x74617865)")  # arbitrary; no other lock here uses this number


async def lock_zones(tx: Session) -> Sequence[TaxZone]:
    """All zones, locked against other changes until the transaction ends: two concurrent ones could overlap without
    either seeing the other."""
    await LOCK_ZONES.fetch(tx)
    return (await tx.exec(select(TaxZone))).all()


async def lock_zone(tx: Session, zone_id: UUID) -> TaxZone | None:
    """The zone, locked until the transaction ends, and with it its rates: each change of them takes this lock first."""
    return await tx.get(TaxZone, zone_id, with_for_update=True, populate_existing=True)


async def find_zone(tx: Session, zone_id: UUID) -> TaxZone | None:
    return await tx.get(TaxZone, zone_id)


async def zones(tx: Session, position: Position) -> Slice[TaxZone]:
    return await keyset(tx, select(TaxZone), position, TaxZone.name)


async def find_rate(tx: Session, rate_id: UUID) -> TaxRate | None:
    return await tx.get(TaxRate, rate_id)


async def rates_of(tx: Session, zone_id: UUID) -> Sequence[TaxRate]:
    return (await tx.exec(matching(TaxRate, zone_id=zone_id))).all()


async def rates(
    tx: Session, position: Position, *, zone_id: UUID | None, tax_class: str | None, at: datetime | None
) -> Slice[TaxRate]:
    statement = matching(TaxRate, zone_id=zone_id, tax_class=tax_class)
    if at is not None:
        starts_at, ends_at = col(TaxRate.starts_at), col(TaxRate.ends_at)
        statement = statement.where(or_(starts_at.is_(None), starts_at <= at), or_(ends_at.is_(None), ends_at > at))
    return await keyset(tx, statement, position, TaxRate.id)
