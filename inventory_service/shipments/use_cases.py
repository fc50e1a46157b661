"""Parcels leave and arrive."""

from typing import Any
from uuid import UUID

from contracts.events.inventory_deduction import StockDeducted
from contracts.events.shipment_notification import ShipmentDelivered, ShipmentDispatched
from contracts.quantity import ProductQuantity
from inventory_service.shipments import queries
from inventory_service.shipments.models import Shipment
from service_kit.clock import utcnow
from service_kit.database import HotConn, Tx
from service_kit.problems import not_found


async def dispatch(
    connection: HotConn, shipment_id: UUID, carrier: str, tracking_number: str, user_id: UUID
) -> Shipment:
    """The parcel is with the carrier: its products leave stock and reservation. Raises: NotFound, NotToDispatch.

    Decided on what was read, and decided again where that has changed meanwhile: a release that comes at the same
    moment either was before, and has cancelled this shipment, or comes after, and is refused.
    """
    while True:
        shipment, reservation_version = await queries.read(connection, shipment_id) or not_found(Shipment, shipment_id)
        if not shipment.dispatch(carrier, tracking_number, utcnow()):
            return shipment
        events = [_deducted(shipment, reservation_version + 1), _dispatched(shipment)]
        if await queries.store_dispatch(connection, shipment, reservation_version, user_id, events):
            return shipment


async def deliver(connection: HotConn, shipment_id: UUID) -> Shipment:
    """The parcel has arrived. Raises: NotFound, NotToDeliver."""
    while True:
        shipment, _ = await queries.read(connection, shipment_id) or not_found(Shipment, shipment_id)
        if not shipment.deliver(utcnow()):
            return shipment
        if await queries.store_delivery(connection, shipment, [ShipmentDelivered(**_told_of(shipment))]):
            return shipment


async def read(tx: Tx, shipment_id: UUID) -> Shipment:
    return await queries.by_id(tx, shipment_id) or not_found(Shipment, shipment_id)


def _dispatched(shipment: Shipment) -> ShipmentDispatched:
    return ShipmentDispatched(
        carrier=shipment.carrier or "", tracking_number=shipment.tracking_number or "", **_told_of(shipment)
    )


def _deducted(shipment: Shipment, version: int) -> StockDeducted:
    return StockDeducted(
        order_id=shipment.order_id,
        shipment_id=shipment.id,
        warehouse_id=shipment.warehouse_id,
        lines=[ProductQuantity(**line) for line in shipment.lines],
        version=version,
    )


def _told_of(shipment: Shipment) -> dict[str, Any]:
    """What every event about a shipment carries."""
    shared = {"order_id", "user_id", "number", "warehouse_id", "shipments_of_order", "lines", "version"}
    return {"shipment_id": shipment.id, **shipment.model_dump(include=shared)}
