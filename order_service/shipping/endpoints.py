"""Shipping zones and methods over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from order_service.pricing.places import Destination
from order_service.pricing.shipping import find_zone
from order_service.shipping import queries, use_cases
from order_service.shipping.models import (
    ShippingMethod,
    ShippingMethodCodeTaken,
    ShippingZone,
    ShippingZoneInUse,
    ShippingZoneNameTaken,
    ShippingZoneUnknown,
    TooManyShippingMethods,
    TooManyShippingZones,
    ZonesOverlap,
)
from order_service.shipping.schemas import (
    MethodChange,
    MethodIn,
    MethodOut,
    OfferedMethodOut,
    OfferedMethods,
    ZoneChange,
    ZoneIn,
    ZoneOut,
)
from service_kit.addresses import PostalCode, Region
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.iso_codes import Country
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC, Principal, Requires

zone_router = Router(prefix="/shipping-zones", tags=["shipping"])
method_router = Router(prefix="/shipping-methods", tags=["shipping"])

Manager = Annotated[Principal, Requires("shipping-methods:manage")]


@zone_router.post(
    "",
    status_code=201,
    summary="Create a shipping zone",
    responses=problems(ZonesOverlap, ShippingZoneNameTaken, TooManyShippingZones),
)
async def create_zone(body: ZoneIn, tx: Session, _: Manager, response: Response) -> ZoneOut:
    """A zone is an area that the same shipping methods reach. Of the zones that contain an address, the one that
    describes it most exactly counts: by the longest postal prefix, then by region, then by country. No two zones may
    describe an address equally exactly."""
    zone = await use_cases.create_zone(tx, body.model_dump())
    response.headers["Location"] = f"/shipping-zones/{zone.id}"
    return tagged(response, ZoneOut.of(zone), zone.version)


@zone_router.get("", summary="List shipping zones", responses=problems(InvalidCursor))
async def list_zones(tx: Session, page: Paged, _: Manager) -> Page[ZoneOut]:
    """Sorted by name."""
    return page.of(await queries.zones(tx, page.position), ZoneOut.of)


@zone_router.get("/{zone_id}", summary="Get a shipping zone", responses=problems(NotFound))
async def read_zone(zone_id: UUID, tx: Session, _: Manager, response: Response) -> ZoneOut:
    """One zone, with an `ETag` for a later change."""
    zone = await queries.find_zone(tx, zone_id) or not_found(ShippingZone, zone_id)
    return tagged(response, ZoneOut.of(zone), zone.version)


@zone_router.patch(
    "/{zone_id}",
    summary="Change a shipping zone",
    responses=problems(NotFound, PreconditionFailed, ZonesOverlap, ShippingZoneNameTaken),
)
async def change_zone(
    zone_id: UUID, body: ZoneChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> ZoneOut:
    """Orders that were placed keep their shipping method and its price; carts and quotes show the change at once."""
    zone = await use_cases.change_zone(tx, zone_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, ZoneOut.of(zone), zone.version)


@zone_router.delete(
    "/{zone_id}",
    status_code=204,
    summary="Delete a shipping zone",
    responses=problems(NotFound, PreconditionFailed, ShippingZoneInUse),
)
async def delete_zone(zone_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a zone without methods can be deleted. Methods can be moved to another zone."""
    await use_cases.delete_zone(tx, zone_id, expected)


@zone_router.get(
    "/{zone_id}/methods", summary="List the shipping methods of a zone", responses=problems(NotFound, InvalidCursor)
)
async def list_methods(zone_id: UUID, tx: Session, page: Paged, _: Manager) -> Page[MethodOut]:
    """Sorted by code, including disabled ones."""
    if await queries.find_zone(tx, zone_id) is None:
        not_found(ShippingZone, zone_id)
    return page.of(await queries.methods(tx, page.position, zone_id), MethodOut.of)


@method_router.get("", summary="List the shipping methods to an address", openapi_extra=PUBLIC)
async def list_offered_methods(
    tx: Session,
    country: Annotated[Country, Query()],
    region: Annotated[Region | None, Query()] = None,
    postal_code: Annotated[PostalCode | None, Query()] = None,
) -> OfferedMethods:
    """The methods of the zone that contains the address; none if no zone does. The price depends on the order: of the
    rates in its currency, the one with the highest `from` that it reaches counts. A quote has the price."""
    zone = find_zone(await queries.offered(tx), Destination(country, region, postal_code))
    now = utcnow()
    return OfferedMethods(items=[OfferedMethodOut.of(method, now) for method in zone.methods] if zone else [])


@method_router.post(
    "",
    status_code=201,
    summary="Create a shipping method",
    responses=problems(ShippingZoneUnknown, ShippingMethodCodeTaken, TooManyShippingMethods),
)
async def create_method(body: MethodIn, tx: Session, _: Manager, response: Response) -> MethodOut:
    """The method is offered at once, to orders for addresses in its zone that reach one of its rates. An order that
    names no method is sent by the first of its zone. An order by `pickup` is reserved in that warehouse only."""
    method = await use_cases.create_method(tx, body.columns())
    response.headers["Location"] = f"/shipping-methods/{method.id}"
    return tagged(response, MethodOut.of(method), method.version)


@method_router.get("/{method_id}", summary="Get a shipping method", responses=problems(NotFound))
async def read_method(method_id: UUID, tx: Session, _: Manager, response: Response) -> MethodOut:
    """One method, with an `ETag` for a later change."""
    method = await queries.find_method(tx, method_id) or not_found(ShippingMethod, method_id)
    return tagged(response, MethodOut.of(method), method.version)


@method_router.patch(
    "/{method_id}",
    summary="Change a shipping method",
    responses=problems(
        NotFound, PreconditionFailed, ShippingZoneUnknown, ShippingMethodCodeTaken, TooManyShippingMethods
    ),
)
async def change_method(
    method_id: UUID, body: MethodChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> MethodOut:
    """Orders that were placed keep the method and its price. A method can't be deleted: a `disabled` one is not
    offered any more."""
    method = await use_cases.change_method(tx, method_id, expected, body.columns())
    return tagged(response, MethodOut.of(method), method.version)
