"""Creates and changes shipping zones and methods. Since these operations are rare, one excludes all others."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from order_service.shipping import queries
from order_service.shipping.models import (
    MAX_METHODS,
    MAX_ZONES,
    ShippingMethod,
    ShippingMethodCodeTaken,
    ShippingZone,
    ShippingZoneInUse,
    ShippingZoneNameTaken,
    ShippingZoneUnknown,
    TooManyShippingMethods,
    TooManyShippingZones,
)
from service_kit import concurrency
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def create_zone(tx: Session, fields: Mapping[str, Any]) -> ShippingZone:
    """Raises: ValidationFailed, ZonesOverlap, ShippingZoneNameTaken, TooManyShippingZones."""
    zone = ShippingZone(**fields)
    zone.check()
    others = await queries.lock_zones(tx)
    if len(others) >= MAX_ZONES:
        raise TooManyShippingZones(limit=MAX_ZONES)
    zone.check_overlaps(others)
    tx.add(zone)
    await concurrency.flush(tx, ShippingZoneNameTaken(name=zone.name))
    return zone


async def change_zone(tx: Session, zone_id: UUID, expected: Expected, fields: Mapping[str, Any]) -> ShippingZone:
    """Raises: NotFound, PreconditionFailed, ValidationFailed, ZonesOverlap, ShippingZoneNameTaken."""
    others = await queries.lock_zones(tx)
    zone = await queries.lock_zone(tx, zone_id) or not_found(ShippingZone, zone_id)
    expected.check(zone.version)
    concurrency.change(zone, fields)
    zone.check()
    zone.check_overlaps(others)
    await concurrency.flush(tx, ShippingZoneNameTaken(name=zone.name))
    return zone


async def delete_zone(tx: Session, zone_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, ShippingZoneInUse."""
    await queries.lock_zones(tx)
    zone = await queries.lock_zone(tx, zone_id) or not_found(ShippingZone, zone_id)
    expected.check(zone.version)
    await tx.delete(zone)
    await concurrency.flush(tx, ShippingZoneInUse())


async def create_method(tx: Session, fields: Mapping[str, Any]) -> ShippingMethod:
    """Raises: ValidationFailed, ShippingZoneUnknown, ShippingMethodCodeTaken, TooManyShippingMethods."""
    method = ShippingMethod(**fields)
    method.check()
    await _check_room(tx, method.zone_id)
    tx.add(method)
    await concurrency.flush(tx, ShippingMethodCodeTaken(code=method.code))
    return method


async def change_method(tx: Session, method_id: UUID, expected: Expected, fields: Mapping[str, Any]) -> ShippingMethod:
    """Raises: NotFound, PreconditionFailed, ValidationFailed, ShippingZoneUnknown, ShippingMethodCodeTaken,
    TooManyShippingMethods."""
    method = await queries.lock_method(tx, method_id) or not_found(ShippingMethod, method_id)
    expected.check(method.version)
    if (zone_id := fields.get("zone_id", method.zone_id)) != method.zone_id:
        await _check_room(tx, zone_id)
    concurrency.change(method, fields)
    method.check()
    await concurrency.flush(tx, ShippingMethodCodeTaken(code=method.code))
    return method


async def _check_room(tx: Session, zone_id: UUID) -> None:
    """Raises: ShippingZoneUnknown, TooManyShippingMethods."""
    if all(zone.id != zone_id for zone in await queries.lock_zones(tx)):
        raise ShippingZoneUnknown(zone_id=str(zone_id))
    if await queries.count_methods(tx, zone_id) >= MAX_METHODS:
        raise TooManyShippingMethods(limit=MAX_METHODS)
