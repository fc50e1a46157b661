"""Creates and changes tax zones, tax rates and tax ids. A trigger raises the version of the rules with each change of a
zone or rate, so every process taxes the next order by it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from order_service.taxes import queries
from order_service.taxes.models import (
    MAX_RATES,
    MAX_ZONES,
    TaxId,
    TaxRate,
    TaxRateOverlaps,
    TaxZone,
    TaxZoneInUse,
    TaxZoneNameTaken,
    TaxZoneUnknown,
    TooManyTaxRates,
    TooManyTaxZones,
    read_tax_id,
)
from order_service.taxes.seed import SeedRate
from service_kit import concurrency
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.database.signals import signal
from service_kit.problems import not_found


async def create_zone(tx: Session, fields: Mapping[str, Any]) -> TaxZone:
    """Raises: ValidationFailed, TaxZonesOverlap, TaxZoneNameTaken, TooManyTaxZones."""
    zone = TaxZone(**fields)
    zone.check()
    others = await queries.lock_zones(tx)
    if len(others) >= MAX_ZONES:
        raise TooManyTaxZones(limit=MAX_ZONES)
    zone.check_overlaps(others)
    tx.add(zone)
    await concurrency.flush(tx, TaxZoneNameTaken(name=zone.name))
    return zone


async def change_zone(tx: Session, zone_id: UUID, expected: Expected, fields: Mapping[str, Any]) -> TaxZone:
    """Raises: NotFound, PreconditionFailed, ValidationFailed, TaxZonesOverlap, TaxZoneNameTaken."""
    others = await queries.lock_zones(tx)
    zone = await queries.lock_zone(tx, zone_id) or not_found(TaxZone, zone_id)
    expected.check(zone.version)
    concurrency.change(zone, fields)
    zone.check()
    zone.check_overlaps(others)
    await concurrency.flush(tx, TaxZoneNameTaken(name=zone.name))
    return zone


async def delete_zone(tx: Session, zone_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, TaxZoneInUse."""
    zone = await queries.lock_zone(tx, zone_id) or not_found(TaxZone, zone_id)
    expected.check(zone.version)
    if await queries.rates_of(tx, zone_id):
        raise TaxZoneInUse
    await tx.delete(zone)


async def create_rate(tx: Session, fields: Mapping[str, Any]) -> TaxRate:
    """Raises: TaxZoneUnknown, TooManyTaxRates, TaxRateEndsTooEarly, TaxRateOverlaps."""
    rate = TaxRate(**fields)
    rate.check_period()
    if await queries.lock_zone(tx, rate.zone_id) is None:
        raise TaxZoneUnknown(zone_id=str(rate.zone_id))
    others = await queries.rates_of(tx, rate.zone_id)
    if len(others) >= MAX_RATES:
        raise TooManyTaxRates(limit=MAX_RATES)
    rate.check_overlaps(others)
    tx.add(rate)
    return rate


async def change_rate(tx: Session, rate_id: UUID, expected: Expected, fields: Mapping[str, Any]) -> TaxRate:
    """Raises: NotFound, PreconditionFailed, TaxRateStarted, TaxRateEnded, TaxRateEndsTooEarly, TaxRateOverlaps."""
    rate = await _lock_rate(tx, rate_id, expected)
    rate.change(fields, utcnow())
    with tx.no_autoflush:
        rate.check_overlaps(await queries.rates_of(tx, rate.zone_id))
    return rate


async def delete_rate(tx: Session, rate_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, TaxRateStarted."""
    rate = await _lock_rate(tx, rate_id, expected)
    rate.check_deletable(utcnow())
    await tx.delete(rate)


async def _lock_rate(tx: Session, rate_id: UUID, expected: Expected) -> TaxRate:
    """Raises: NotFound, PreconditionFailed."""
    found = await queries.find_rate(tx, rate_id) or not_found(TaxRate, rate_id)
    await queries.lock_zone(tx, found.zone_id)
    await tx.refresh(found)  # another change of it may have been committed before this one had the lock
    expected.check(found.version)
    return found


async def put_tax_id(tx: Session, customer_id: UUID, text: str) -> TaxId:
    """Another number is unchecked, until the registry has answered. Raises: TaxIdMalformed."""
    country, number = read_tax_id(text)
    await queries.PUT_TAX_ID.execute(tx, new=TaxId(customer_id=customer_id, country=country, number=number))
    signal(tx, queries.TAX_ID_CHANGED)
    return await queries.find_tax_id(tx, customer_id) or not_found("tax id", customer_id)


@dataclass(slots=True)
class Loaded:
    """How many zones and rates were added, and what was kept although the file says something else."""

    zones: int = 0
    rates: int = 0
    kept: list[str] = field(default_factory=list)


async def load_rates(tx: Session, rates: Iterable[SeedRate]) -> Loaded:
    """Adds zones and rates that are not configured. What is configured stays, so it can be repeated.

    Raises: TaxZoneNameTaken, TooManyTaxZones, TooManyTaxRates.
    """
    loaded = Loaded()
    zones = {country: zone for zone in await queries.lock_zones(tx) if not zone.regions for country in zone.countries}
    for each in rates:
        zone = zones.get(each.country)
        if zone is None:
            zone = zones[each.country] = await create_zone(tx, {"name": each.zone, "countries": [each.country]})
            loaded.zones += 1
        try:
            if zone.countries != [each.country]:
                loaded.kept.append(f"{each.country}: the zone {zone.name} has other countries too, and stays as it is")
                continue
            fields = {"tax_class": each.tax_class, "rate": each.rate, "name": each.name, "starts_at": each.starts_at}
            await create_rate(tx, {"zone_id": zone.id, **fields})
            loaded.rates += 1
        except TaxRateOverlaps as overlap:
            if not await _is_configured(tx, zone, each):
                loaded.kept.append(f"{each.country}: the rate {overlap.members['name']} stays as it is")
    return loaded


async def _is_configured(tx: Session, zone: TaxZone, seed: SeedRate) -> bool:
    now = utcnow()
    return any(
        rate.tax_class == seed.tax_class
        and rate.rate == seed.rate
        and rate.has_started(now)
        and not rate.has_ended(now)
        for rate in await queries.rates_of(tx, zone.id)
    )
