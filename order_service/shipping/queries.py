"""Every statement about shipping zones and methods."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import col, func, select

from order_service.pricing import shipping as pricing
from order_service.shipping.models import ShippingMethod, ShippingZone
from service_kit.database import Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching

ZONES_JSON = """
(SELECT coalesce(json_agg(to_jsonb(z) || jsonb_build_object('methods', (
    SELECT coalesce(jsonb_agg(to_jsonb(m) ORDER BY m.position, m.code), '[]') FROM shipping_methods m
    WHERE m.zone_id = z.id AND m.status = 'active'
)) ORDER BY z.id), '[]') FROM shipping_zones z)::text
"""
"""All zones with their active methods, as `ZONES` reads them."""
ZONES = TypeAdapter(tuple[pricing.ShippingZone, ...])
OFFERED = Statement(f"SELECT {ZONES_JSON}")
LOCK = Statement("SELECT pg_advisory_xact_lock(0x73686970)")  # arbitrary; no other lock here uses this number


async def lock_zones(tx: Session) -> Sequence[ShippingZone]:
    """All zones, locked against other changes until the transaction ends: two concurrent ones could overlap, or exceed
    a limit, without either seeing the other."""
    await LOCK.fetch(tx)
    return (await tx.exec(select(ShippingZone))).all()


async def offered(tx: Session) -> Sequence[pricing.ShippingZone]:
    """What orders can be sent by at present."""
    return ZONES.validate_json(await OFFERED.fetchval(tx))


async def lock_zone(tx: Session, zone_id: UUID) -> ShippingZone | None:
    return await tx.get(ShippingZone, zone_id, with_for_update=True)


async def find_zone(tx: Session, zone_id: UUID) -> ShippingZone | None:
    return await tx.get(ShippingZone, zone_id)


async def zones(tx: Session, position: Position) -> Slice[ShippingZone]:
    return await keyset(tx, select(ShippingZone), position, ShippingZone.name)


async def lock_method(tx: Session, method_id: UUID) -> ShippingMethod | None:
    return await tx.get(ShippingMethod, method_id, with_for_update=True)


async def find_method(tx: Session, method_id: UUID) -> ShippingMethod | None:
    return await tx.get(ShippingMethod, method_id)


async def methods(tx: Session, position: Position, zone_id: UUID) -> Slice[ShippingMethod]:
    return await keyset(tx, matching(ShippingMethod, zone_id=zone_id), position, ShippingMethod.code)


async def count_methods(tx: Session, zone_id: UUID) -> int:
    statement = select(func.count()).where(col(ShippingMethod.zone_id) == zone_id)
    return (await tx.exec(statement)).one()
