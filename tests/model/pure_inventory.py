"""Inventory without a database: its models decide on reservations and parcels, and this stores the results."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from contracts.events.base import Event
from contracts.events.inventory_deduction import FulfilmentRefunded, InventoryRequest, ReturnExpected
from contracts.events.shipment_notification import (
    ReceivedLine,
    ReturnClosed,
    ReturnReceived,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentLost,
)
from contracts.quantity import LineQuantity
from inventory_service.reservations.allocation import Share
from inventory_service.reservations.batch import ReservationBatch, ReservationState
from inventory_service.reservations.models import ReservationStatus
from inventory_service.returns.models import (
    MoreThanExpected,
    NothingCame,
    ReceivedQuantity,
    Return,
    ReturnEnded,
    ReturnReceivedOtherwise,
)
from inventory_service.shipments.models import (
    NotToDeliver,
    NotToDispatch,
    NotToLose,
    Shipment,
    ShipmentRefunded,
    ShipmentStatus,
)
from service_kit.clock import utcnow

Levels = dict[UUID, dict[UUID, int]]
"""Product → warehouse → pieces."""


class Level(NamedTuple):
    """Stock of a product in one warehouse; `held`: the sum of its reservations."""

    product: UUID
    on_hand: int
    reserved: int
    held: int


class PureInventory:
    def __init__(self, on_hand: Levels) -> None:
        self.on_hand = {product: dict(places) for product, places in on_hand.items()}
        self.reserved = {product: dict.fromkeys(places, 0) for product, places in on_hand.items()}
        self.held: dict[UUID, ReservationState] = {}
        self.shipments: dict[UUID, Shipment] = {}
        self.returns: dict[UUID, Return] = {}

    def asked(self, request: InventoryRequest) -> list[Event]:
        """Inventory's answers, including created parcels."""
        if isinstance(request, FulfilmentRefunded):
            for shipment in self._shipments_of(request.order_id):
                shipment.refunded = request.refunded
            return []
        batch = self._batch(request.order_id)
        batch.decide(request)
        return self._stored(batch)

    def expires(self, order_id: UUID) -> list[Event]:
        batch = self._batch(order_id)
        batch.expire(self.held[order_id])
        return self._stored(batch)

    def reserved_orders(self) -> list[UUID]:
        return [order_id for order_id, held in self.held.items() if held.status is ReservationStatus.RESERVED]

    def dispatches(self, shipment: Shipment, confirmed: bool) -> ShipmentDispatched | None:
        """None: it may not be dispatched, or was dispatched before."""
        try:
            if not shipment.dispatch("Post", str(shipment.id), utcnow(), confirm_refunded=confirmed):
                return None
        except (NotToDispatch, ShipmentRefunded):
            return None
        for product, quantity in shipment.quantities().items():
            self.on_hand[product][shipment.warehouse_id] -= quantity
            self.reserved[product][shipment.warehouse_id] -= quantity
        held = self.held[shipment.order_id]
        held.shares = [share for share in held.shares if share.warehouse_id != shipment.warehouse_id]
        others = [other for other in self._shipments_of(held.order_id) if other.status == ShipmentStatus.CREATED]
        held.status = ReservationStatus.FULFILLING if others else ReservationStatus.FULFILLED
        return ShipmentDispatched(carrier="Post", tracking_number=str(shipment.id), **_event_fields(shipment))

    def delivers(self, shipment: Shipment) -> ShipmentDelivered | None:
        """None: it was not dispatched, or was delivered before."""
        try:
            return ShipmentDelivered(**_event_fields(shipment)) if shipment.deliver(utcnow()) else None
        except NotToDeliver:
            return None

    def loses(self, shipment: Shipment) -> ShipmentLost | None:
        """None: it was not dispatched, or is in a final status."""
        try:
            return ShipmentLost(**_event_fields(shipment)) if shipment.lose(utcnow()) else None
        except NotToLose:
            return None

    def closes(self, back: Return) -> ReturnClosed | None:
        """None: it was received, or closed before."""
        try:
            if not back.close(back.customer_id, utcnow()):
                return None
        except ReturnEnded:
            return None
        published = {name: getattr(back, name) for name in ("order_id", "customer_id", "number", "version")}
        return ReturnClosed(return_id=back.id, **published)

    def expects(self, request: ReturnExpected) -> None:
        lines = [line.model_dump(mode="json") for line in request.lines]
        number, customer_id = request.number, request.customer_id
        new = Return(
            id=request.return_id, order_id=request.order_id, customer_id=customer_id, number=number, lines=lines
        )
        self.returns.setdefault(new.id, new)

    def receives(self, back: Return, came: dict[UUID, ReceivedQuantity]) -> ReturnReceived | None:
        """Receives a return in one of the warehouses. None: it was received before, or quantities are not allowed."""
        place = next(iter(next(iter(self.on_hand.values()))))
        try:
            if not back.receive(place, came, back.customer_id, utcnow()):
                return None
        except (ReturnReceivedOtherwise, MoreThanExpected, NothingCame, ReturnEnded):
            return None
        for product, each in came.items():
            self.on_hand[product][place] += each.restocked
        lines = [ReceivedLine.model_validate(line) for line in back.lines]
        published = {name: getattr(back, name) for name in ("order_id", "customer_id", "number", "version")}
        return ReturnReceived(return_id=back.id, warehouse_id=place, lines=lines, **published)

    def levels(self) -> Iterator[Level]:
        for product, places in self.on_hand.items():
            for warehouse, there in places.items():
                here = (share.quantity for share in self._shares() if share[1:3] == (product, warehouse))
                yield Level(product, there, self.reserved[product][warehouse], sum(here))

    def _shares(self) -> Iterator[Share]:
        return chain.from_iterable(held.shares for held in self.held.values())

    def _batch(self, order_id: UUID) -> ReservationBatch:
        if order_id in self.held:
            left = (ShipmentStatus.DISPATCHED, ShipmentStatus.DELIVERED, ShipmentStatus.LOST)
            self.held[order_id].parcels_left = sum(each.status in left for each in self._shipments_of(order_id))
        free = {
            product: {warehouse: there - self.reserved[product][warehouse] for warehouse, there in places.items()}
            for product, places in self.on_hand.items()
        }
        return ReservationBatch(self.held, free, utcnow())

    def _stored(self, batch: ReservationBatch) -> list[Event]:
        for product, warehouse, more in batch.stock_changes():
            self.reserved[product][warehouse] += more
        for created, *_ in batch.new_shipments:
            self.shipments[created.shipment_id] = Shipment(
                id=created.shipment_id,
                order_id=created.order_id,
                customer_id=created.customer_id,
                number=created.number,
                warehouse_id=created.warehouse_id,
                shipments_of_order=created.shipments_of_order,
                lines=[line.model_dump(mode="json") for line in created.lines],
                ship_to={},
            )
        for held in self.held.values():
            if held.shipments_cancelled:
                for shipment in self._shipments_of(held.order_id):
                    if shipment.status == ShipmentStatus.CREATED:
                        shipment.status = ShipmentStatus.CANCELLED
            held.shipments_cancelled = False
        return batch.events

    def _shipments_of(self, order_id: UUID) -> list[Shipment]:
        return [shipment for shipment in self.shipments.values() if shipment.order_id == order_id]


def _event_fields(shipment: Shipment) -> dict[str, object]:
    fields = ("order_id", "customer_id", "number", "warehouse_id", "shipments_of_order", "version")
    lines = [LineQuantity(**line) for line in shipment.lines]
    return {"shipment_id": shipment.id, "lines": lines, **{name: getattr(shipment, name) for name in fields}}
