"""Every statement about tax zones, tax rates and tax ids."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, or_, select

from order_service.taxes.models import DueTaxId, TaxId, TaxRate, TaxZone
from service_kit.database import Connection, Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching

LOCK_ZONES = Statement("SELECT pg_advisory_xact_lock(0x74617865)")  # arbitrary; no other lock here uses this number
TAX_ID_CHANGED = "tax-id-changed"
"""A signal that there is a tax id for the job to ask about."""
# A number that is stored already keeps its state, unless the registry did not know it: it may have been added since.
PUT_TAX_ID = Statement("""
INSERT INTO tax_ids (customer_id, country, number, state, check_at)
VALUES (:new.customer_id, :new.country, :new.number, :new.state, :new.check_at)
ON CONFLICT (customer_id) DO UPDATE SET country = excluded.country, number = excluded.number, state = excluded.state,
    checked_at = NULL, check_at = excluded.check_at, reference = NULL
WHERE tax_ids.number <> excluded.number OR tax_ids.state = 'invalid'
""")
DELETE_TAX_ID = Statement("DELETE FROM tax_ids WHERE customer_id = :customer_id")
TAKE_DUE = Statement("""
WITH due AS (
    SELECT customer_id, check_at AS was_due FROM tax_ids
    WHERE check_at <= now() AND left(number, 2) = ANY(:prefixes::text[])
    ORDER BY check_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE tax_ids t SET check_at = now() + :lease::interval FROM due WHERE t.customer_id = due.customer_id
RETURNING t.customer_id, t.number, t.checked_at, due.was_due, t.check_at AS held_until
""")
# An answer that comes late, or about a former number, changes nothing. A valid number stays valid while the registry
# can't be reached.
SETTLE = Statement("""
UPDATE tax_ids SET checked_at = :now, check_at = :check_at,
    state = CASE WHEN :state = 'unreachable' AND state = 'valid' THEN state ELSE :state END,
    reference = CASE WHEN :state = 'unreachable' THEN reference ELSE :reference END
WHERE customer_id = :due.customer_id AND number = :due.number AND check_at = :due.held_until
""")


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


async def find_tax_id(tx: Session, customer_id: UUID) -> TaxId | None:
    return await tx.get(TaxId, customer_id, populate_existing=True)


async def take_due(
    connection: Connection, prefixes: Collection[str], limit: int, lease: timedelta
) -> Sequence[DueTaxId]:
    """Takes the tax ids that are due for the time of the lease; no other process takes them meanwhile."""
    return await TAKE_DUE.fetch_as(connection, DueTaxId, prefixes=list(prefixes), limit=limit, lease=lease)
