"""Parcels leave and arrive."""

from typing import Any
from uuid import UUID

from contracts.events.inventory_deduction import StockDeducted
from contracts.events.shipment_notification import ShipmentDelivered, ShipmentDispatched
from contracts.quantity import ProductQuantity
from inventory_service.reservations.models import ReservationStatus
from inventory_service.shipments import queries
from inventory_service.shipments.models import Shipment
from inventory_service.stock import queries as stock
from service_kit.clock import utcnow
from service_kit.database import HotTx, Tx
from service_kit.messaging import outbox
from service_kit.problems import not_found


async def dispatch(tx: HotTx, shipment_id: UUID, carrier: str, tracking_number: str, user_id: UUID) -> Shipment:
    """The parcel is with the carrier: its products leave stock and reservation. Raises: NotFound, NotToDispatch.

    The reservation's row is locked first: a release that comes at the same moment either was before, and has cancelled
    this shipment, or comes after, and is refused.
    """
    reservation_version = await queries.lock_reservation_of(tx, shipment_id)
    found = await queries.read_to_dispatch(tx, shipment_id)
    if reservation_version is None or found is None:
        not_found(Shipment, shipment_id)
    shipment, is_last = found
    if not shipment.dispatch(carrier, tracking_number, utcnow()):
        return shipment
    await stock.deduct(
        tx, shipment.warehouse_id, shipment.quantities(),
        shipment_id=shipment.id, order_id=shipment.order_id, user_id=user_id,
    )  # fmt: skip
    status = ReservationStatus.FULFILLED if is_last else ReservationStatus.FULFILLING
    await queries.store_dispatch(tx, shipment, reservation_version + 1, status)
    await outbox.add(tx, _deducted(shipment, reservation_version + 1), _dispatched(shipment))
    return shipment


async def deliver(tx: HotTx, shipment_id: UUID) -> Shipment:
    """The parcel has arrived. Raises: NotFound, NotToDeliver."""
    shipment = await queries.lock(tx, shipment_id) or not_found(Shipment, shipment_id)
    if shipment.deliver(utcnow()):
        await queries.store_delivery(tx, shipment)
        await outbox.add(tx, ShipmentDelivered(**_told_of(shipment)))
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
