"""Tax zones and rates, and the tax id of the caller, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from contracts.tax_class import TaxClass
from order_service.taxes import queries, use_cases
from order_service.taxes.models import (
    TaxIdMalformed,
    TaxRate,
    TaxRateEnded,
    TaxRateEndsTooEarly,
    TaxRateOverlaps,
    TaxRateStarted,
    TaxZone,
    TaxZoneInUse,
    TaxZoneNameTaken,
    TaxZonesOverlap,
    TaxZoneUnknown,
    TooManyTaxRates,
    TooManyTaxZones,
)
from order_service.taxes.schemas import (
    TaxIdIn,
    TaxIdOut,
    TaxRateChange,
    TaxRateIn,
    TaxRateOut,
    TaxZoneChange,
    TaxZoneIn,
    TaxZoneOut,
)
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import Principal, Requires
from service_kit.times import Time

router = Router(prefix="/tax", tags=["taxes"])
tax_id_router = Router(prefix="/me/tax-id", tags=["taxes"])

Manager = Annotated[Principal, Requires("tax:manage")]


@router.post(
    "/zones",
    status_code=201,
    summary="Create a tax zone",
    responses=problems(TaxZonesOverlap, TaxZoneNameTaken, TooManyTaxZones),
)
async def create_zone(body: TaxZoneIn, tx: Session, _: Manager, response: Response) -> TaxZoneOut:
    """A zone has the same tax rates for all addresses in its countries, or in regions of one country, which go before
    a zone of the whole country. Orders to an address in no zone have no tax."""
    zone = await use_cases.create_zone(tx, body.model_dump())
    response.headers["Location"] = f"/tax/zones/{zone.id}"
    return tagged(response, TaxZoneOut.of(zone), zone.version)


@router.get("/zones", summary="List tax zones", responses=problems(InvalidCursor))
async def list_zones(tx: Session, page: Paged, _: Manager) -> Page[TaxZoneOut]:
    """Sorted by name."""
    return page.of(await queries.zones(tx, page.position), TaxZoneOut.of)


@router.get("/zones/{zone_id}", summary="Get a tax zone", responses=problems(NotFound))
async def read_zone(zone_id: UUID, tx: Session, _: Manager, response: Response) -> TaxZoneOut:
    """One zone, with an `ETag` for a later change."""
    zone = await queries.find_zone(tx, zone_id) or not_found(TaxZone, zone_id)
    return tagged(response, TaxZoneOut.of(zone), zone.version)


@router.patch(
    "/zones/{zone_id}",
    summary="Change a tax zone",
    responses=problems(NotFound, PreconditionFailed, TaxZonesOverlap, TaxZoneNameTaken),
)
async def change_zone(
    zone_id: UUID, body: TaxZoneChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> TaxZoneOut:
    """The next order is taxed by the change, in every process. Orders that were placed keep their taxes."""
    zone = await use_cases.change_zone(tx, zone_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, TaxZoneOut.of(zone), zone.version)


@router.delete(
    "/zones/{zone_id}",
    status_code=204,
    summary="Delete a tax zone",
    responses=problems(NotFound, PreconditionFailed, TaxZoneInUse),
)
async def delete_zone(zone_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a zone without rates can be deleted."""
    await use_cases.delete_zone(tx, zone_id, expected)


@router.post(
    "/rates",
    status_code=201,
    summary="Create a tax rate",
    responses=problems(TaxZoneUnknown, TooManyTaxRates, TaxRateEndsTooEarly, TaxRateOverlaps),
)
async def create_rate(body: TaxRateIn, tx: Session, _: Manager, response: Response) -> TaxRateOut:
    """The rate of one tax class in a zone, from `starts_at` until before `ends_at`. A class that has no rate at some
    time is taxed at that of `standard`."""
    rate = await use_cases.create_rate(tx, body.model_dump())
    response.headers["Location"] = f"/tax/rates/{rate.id}"
    return tagged(response, TaxRateOut.of(rate), rate.version)


@router.get("/rates", summary="List tax rates", responses=problems(InvalidCursor))
async def list_rates(
    tx: Session,
    page: Paged,
    _: Manager,
    zone_id: Annotated[UUID | None, Query(description="only those of this zone")] = None,
    tax_class: Annotated[TaxClass | None, Query()] = None,
    at: Annotated[Time | None, Query(description="only those that apply at this time")] = None,
) -> Page[TaxRateOut]:
    """In the order in which they were created."""
    found = await queries.rates(tx, page.position, zone_id=zone_id, tax_class=tax_class, at=at)
    return page.of(found, TaxRateOut.of)


@router.get("/rates/{rate_id}", summary="Get a tax rate", responses=problems(NotFound))
async def read_rate(rate_id: UUID, tx: Session, _: Manager, response: Response) -> TaxRateOut:
    """One rate, with an `ETag` for a later change."""
    rate = await queries.find_rate(tx, rate_id) or not_found(TaxRate, rate_id)
    return tagged(response, TaxRateOut.of(rate), rate.version)


@router.patch(
    "/rates/{rate_id}",
    summary="Change a tax rate",
    responses=problems(
        NotFound, PreconditionFailed, TaxRateStarted, TaxRateEnded, TaxRateEndsTooEarly, TaxRateOverlaps
    ),
)
async def change_rate(
    rate_id: UUID, body: TaxRateChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> TaxRateOut:
    """A rate that has started can only be ended: by `ends_at`, of which a time in the past counts as now. Create the
    rate that follows with the same time as its `starts_at`."""
    rate = await use_cases.change_rate(tx, rate_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, TaxRateOut.of(rate), rate.version)


@router.delete(
    "/rates/{rate_id}",
    status_code=204,
    summary="Delete a tax rate",
    responses=problems(NotFound, PreconditionFailed, TaxRateStarted),
)
async def delete_rate(rate_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a rate that has not started can be deleted."""
    await use_cases.delete_rate(tx, rate_id, expected)


@tax_id_router.put("", summary="Replace my tax id", responses=problems(TaxIdMalformed))
async def put_tax_id(body: TaxIdIn, tx: Session, who: Annotated[Principal, Requires("users:write")]) -> TaxIdOut:
    """The VAT number of a business. Its form is checked at once. Whether it is valid, the registry is asked afterwards:
    read it again until its `state` is `valid` or `invalid`. Another number is `unchecked` again; the same one keeps its
    state, but the registry is asked again about one that was `invalid`."""
    return TaxIdOut.of(await use_cases.put_tax_id(tx, who.user_id, body.number))


@tax_id_router.get("", summary="Get my tax id", responses=problems(NotFound))
async def read_tax_id(tx: Session, who: Annotated[Principal, Requires("users:read")]) -> TaxIdOut:
    """With its state: whether the registry knows the number."""
    return TaxIdOut.of(await queries.find_tax_id(tx, who.user_id) or not_found("tax id", who.user_id))


@tax_id_router.delete("", status_code=204, summary="Delete my tax id")
async def delete_tax_id(tx: Session, who: Annotated[Principal, Requires("users:write")]) -> None:
    """The caller is a consumer from now on. Orders that were placed keep the number, which explains their taxes."""
    await queries.DELETE_TAX_ID.execute(tx, customer_id=who.user_id)
