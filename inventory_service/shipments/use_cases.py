"""Parcels leave and arrive."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.events.base import Event
from contracts.events.inventory_deduction import StockDeducted
from contracts.events.shipment_notification import (
    ShipmentCorrected,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentLost,
)
from contracts.quantity import ProductQuantity
from inventory_service.shipments import queries
from inventory_service.shipments.models import NotToDispatch, Shipment, ShipmentRefunded
from inventory_service.stock import batch_queries as batches
from inventory_service.stock.models import StockExpired
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Connection, Session, Transaction
from service_kit.problems import NotFound, Problem, not_found


@dataclass(frozen=True, slots=True)
class Parcel:
    """A shipment as it was handed to the carrier."""

    shipment_id: UUID
    carrier: str
    tracking_number: str
    tracking_url: str | None = None
    confirm_refunded: bool = False


async def dispatch(connection: Connection, parcel: Parcel, dispatched_by: UUID) -> Shipment:
    """The parcel is with the carrier: its products leave stock and reservation.

    Raises: NotFound, NotToDispatch, ShipmentRefunded, StockExpired.
    """
    (found,) = await dispatch_all(connection, [parcel], dispatched_by)
    if isinstance(found, Problem):
        raise found
    return found


async def dispatch_all(
    connection: Connection, parcels: Sequence[Parcel], dispatched_by: UUID
) -> list[Shipment | Problem]:
    """Each parcel by itself, in the order given: the shipment that left, or why it didn't.

    Decided on what was read, and decided again where that has changed meanwhile: a release that comes at the same
    moment either was before, and has cancelled the shipment, or comes after, and is rejected.
    """
    found: dict[int, Shipment | Problem] = {}
    while waiting := [(n, parcel) for n, parcel in enumerate(parcels) if n not in found]:
        known = await queries.read(connection, {parcel.shipment_id for _, parcel in waiting})
        dispatching: dict[UUID, tuple[int, Shipment, int]] = {}
        now = utcnow()
        for n, parcel in waiting:
            shipment, reservation_version = known.get(parcel.shipment_id, (None, 0))
            if shipment and shipment.order_id in dispatching:  # its turn comes when the other has left
                continue
            try:
                shipment = shipment or not_found(Shipment, parcel.shipment_id)
                if _dispatch(shipment, parcel, now):
                    dispatching[shipment.order_id] = n, shipment, reservation_version
                else:
                    found[n] = shipment
            except (NotFound, NotToDispatch, ShipmentRefunded) as problem:
                found[n] = problem
        found.update(await _dispatch_once(connection, list(dispatching.values()), dispatched_by))
    return [found[n] for n in range(len(parcels))]


def _dispatch(shipment: Shipment, parcel: Parcel, now: datetime) -> bool:
    more = {"tracking_url": parcel.tracking_url, "confirm_refunded": parcel.confirm_refunded}
    return shipment.dispatch(parcel.carrier, parcel.tracking_number, now, **more)  # type: ignore[arg-type]


async def _dispatch_once(
    connection: Connection, dispatching: Sequence[tuple[int, Shipment, int]], dispatched_by: UUID
) -> dict[int, Shipment | Problem]:
    """Those whose order's reservation is still what it was; where something has expired, each by itself."""
    if not dispatching:
        return {}
    events: list[Event] = []
    for _, shipment, reservation_version in dispatching:
        events += _deducted(shipment, reservation_version + 1), _dispatched(shipment)
    try:
        left = await queries.store_dispatch(
            connection, [(shipment, version) for _, shipment, version in dispatching], dispatched_by, events
        )
    except queries.StockHasExpired:
        if len(dispatching) == 1:
            return await _expired(connection, *dispatching[0])
        found: dict[int, Shipment | Problem] = {}
        for each in dispatching:
            found |= await _dispatch_once(connection, [each], dispatched_by)
        return found
    return {n: shipment for n, shipment, _ in dispatching if shipment.id in left}


async def _expired(connection: Connection, n: int, shipment: Shipment, _: int) -> dict[int, Shipment | Problem]:
    """Why it can't leave; nothing, so that it is tried again, where fresh stock came in meanwhile."""
    quantities, today = shipment.quantities(), utcnow().date()
    lines = await batches.lacking(connection, shipment.warehouse_id, quantities, today)
    return {n: StockExpired(lines=lines)} if lines else {}


async def deliver(connection: Connection, shipment_id: UUID) -> Shipment:
    """The parcel has arrived. Raises: NotFound, NotToDeliver."""
    while True:
        shipment = await _read(connection, shipment_id)
        if not shipment.deliver(utcnow()):
            return shipment
        if await queries.store_delivery(connection, shipment, [ShipmentDelivered(**_event_fields(shipment))]):
            return shipment


async def correct(
    connection: Connection, shipment_id: UUID, expected: Expected, correction: Callable[[Shipment], bool]
) -> Shipment:
    """The customer is told what is right. Raises: NotFound, NotToCorrect, PreconditionFailed."""
    while True:
        shipment = await _read(connection, shipment_id)
        expected.check(shipment.version)
        if not correction(shipment) or await queries.store_change(connection, shipment, [_corrected(shipment)]):
            return shipment


async def lose(connection: Connection, shipment_id: UUID) -> Shipment:
    """The parcel will not arrive: order refunds what was in it. Raises: NotFound, NotToLose."""
    while True:
        shipment = await _read(connection, shipment_id)
        if not shipment.lose(utcnow()):
            return shipment
        if await queries.store_change(connection, shipment, [ShipmentLost(**_event_fields(shipment))]):
            return shipment


async def _read(connection: Connection, shipment_id: UUID) -> Shipment:
    found = (await queries.read(connection, [shipment_id])).get(shipment_id) or not_found(Shipment, shipment_id)
    return found[0]


async def mark_refunded(tx: Transaction, refunded: Mapping[UUID, bool]) -> None:
    """What has not left of these orders was refunded, or could not be. A dispatch at the same moment either was before,
    or sees it."""
    await queries.mark_refunded(tx, refunded)


async def read(tx: Session, shipment_id: UUID) -> Shipment:
    return await queries.by_id(tx, shipment_id) or not_found(Shipment, shipment_id)


def _dispatched(shipment: Shipment) -> ShipmentDispatched:
    return ShipmentDispatched(**_carried(shipment), **_event_fields(shipment))


def _corrected(shipment: Shipment) -> ShipmentCorrected:
    return ShipmentCorrected(status=shipment.status, **_carried(shipment), **_event_fields(shipment))


def _carried(shipment: Shipment) -> dict[str, Any]:
    """By whom, and how to follow it."""
    number, url = shipment.tracking_number or "", shipment.tracking_url
    return {"carrier": shipment.carrier or "", "tracking_number": number, "tracking_url": url}


def _deducted(shipment: Shipment, version: int) -> StockDeducted:
    return StockDeducted(
        order_id=shipment.order_id,
        shipment_id=shipment.id,
        warehouse_id=shipment.warehouse_id,
        lines=[ProductQuantity(**line) for line in shipment.lines],
        version=version,
    )


def _event_fields(shipment: Shipment) -> dict[str, Any]:
    """What every event about a shipment carries."""
    shared = {"order_id", "customer_id", "number", "warehouse_id", "shipments_of_order", "lines", "version"}
    return {"shipment_id": shipment.id, **shipment.model_dump(include=shared)}
