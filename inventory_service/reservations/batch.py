"""Decides requests of the order service in the order of arrival, on data that was read and locked beforehand.

It uses no database: the changes of reservations, shipments and stock are in its fields, and the caller stores them.
A request that arrives too late, too early or twice is no error: it is answered with the current state, and changes
nothing else. The effect of each request, by the status of the order's reservation:

| status       | reservation.requested | release.requested                       | fulfilment.requested           |
|--------------|-----------------------|-----------------------------------------|--------------------------------|
| none         | reserve or reject     | → released                              | reserve (or reject) and ship   |
| `reserved`   | accepted, as before   | free → released                         | ship → fulfilling              |
| `rejected`   | rejected, as before   | answers released                        | rejected, as before            |
| `released`   | rejected              | answers released                        | rejected                       |
| `expired`    | answers expired       | → released                              | reserve (or reject) and ship   |
| `fulfilling` | accepted, as before   | → released; rejected if a parcel left   | nothing: it has its parcels    |
| `fulfilled`  | accepted, as before   | rejected                                | nothing                        |
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from contracts.address import Address
from contracts.events.base import Event
from contracts.events.inventory_deduction import (
    FulfilmentRequested,
    InventoryAnswer,
    InventoryRequest,
    LackingProduct,
    ReleaseRefused,
    ReleaseRequested,
    ReservationAccepted,
    ReservationExpired,
    ReservationRejected,
    ReservationReleased,
    ReservationRequested,
    ShippingMethod,
)
from contracts.events.shipment_notification import ShipmentCreated
from contracts.quantity import LineQuantity
from inventory_service.reservations.allocation import Share, Shortage, Wanted, allocate, only
from inventory_service.reservations.models import ReservationStatus as Status
from service_kit.ids import uuid7


@dataclass(slots=True)
class ReservationState:
    """A reservation while a batch is decided. `status` is None before the first request for the order."""

    order_id: UUID
    status: Status | None = None
    version: int = 0
    reserved_until: datetime | None = None
    lacking: list[LackingProduct] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    parcels_left: int = 0
    """The number of shipments of the order that were dispatched."""
    stored: bool = False
    changed: bool = False
    shares_changed: bool = False
    shipments_cancelled: bool = False


class StockChange(NamedTuple):
    """The number of pieces by which the reserved stock of a product in a warehouse changes."""

    product_id: UUID
    warehouse_id: UUID
    reserved: int


class NewShipment(NamedTuple):
    """The part of a paid order that one warehouse sends, with the address and the customer's shipping method."""

    created: ShipmentCreated
    ship_to: Address
    shipping: ShippingMethod | None


class ReservationBatch:
    """`held`: reservations by order. `free`: available pieces by product and warehouse. The rows of both are locked."""

    def __init__(self, held: dict[UUID, ReservationState], free: dict[UUID, dict[UUID, int]], now: datetime) -> None:
        self.held = held
        self.new_shipments: list[NewShipment] = []
        self.events: list[Event] = []
        self._locked = free
        self._free = {product_id: dict(by_warehouse) for product_id, by_warehouse in free.items()}
        self._now = now

    def stock_changes(self) -> list[StockChange]:
        """The changes of reserved stock, in the order in which the rows of `stock` were locked."""
        return [
            StockChange(product_id, warehouse_id, before - self._free[product_id][warehouse_id])
            for product_id, by_warehouse in self._locked.items()
            for warehouse_id, before in by_warehouse.items()
            if before != self._free[product_id][warehouse_id]
        ]

    def decide(self, request: InventoryRequest) -> None:
        held = self.held.setdefault(request.order_id, ReservationState(request.order_id))
        match request:
            case ReservationRequested():
                self._reserve(held, request)
            case ReleaseRequested():
                self._release(held)
            case FulfilmentRequested():
                self._fulfil(held, request)

    def expire(self, held: ReservationState) -> None:
        self._free_all(held)
        held.status = Status.EXPIRED
        self._answer(held, ReservationExpired)

    def _reserve(self, held: ReservationState, request: ReservationRequested) -> None:
        if held.status is None:
            self._hold(held, request, request.reserved_until)
        if held.status in (Status.RESERVED, Status.FULFILLING, Status.FULFILLED):
            self._answer(held, ReservationAccepted, reserved_until=held.reserved_until or self._now)
        elif held.status is Status.EXPIRED:
            # A rejection would end the order, but it may have been paid, and then it needs stock again.
            self._answer(held, ReservationExpired)
        else:
            self._answer(held, ReservationRejected, lines=held.lacking)

    def _release(self, held: ReservationState) -> None:
        if held.parcels_left:
            self._answer(held, ReleaseRefused, reason=f"{held.parcels_left} of the order's parcels left already")
            return
        if held.status is Status.FULFILLING:
            held.shipments_cancelled = True
        self._free_all(held)
        if held.status is not Status.REJECTED:
            held.status = Status.RELEASED
        self._answer(held, ReservationReleased)

    def _fulfil(self, held: ReservationState, request: FulfilmentRequested) -> None:
        if held.status in (Status.FULFILLING, Status.FULFILLED):
            return
        if held.status in (None, Status.EXPIRED):
            self._hold(held, request, held.reserved_until or self._now)
        if held.status is not Status.RESERVED:
            self._answer(held, ReservationRejected, lines=held.lacking)
            return
        held.status, held.changed = Status.FULFILLING, True
        self._make_shipments(held, request)

    def _hold(
        self, held: ReservationState, request: ReservationRequested | FulfilmentRequested, until: datetime
    ) -> None:
        """Reserves all lines, or rejects the order and reserves none."""
        lines = [Wanted(line.product_id, line.quantity) for line in request.lines]
        free = self._free if request.only_warehouse_id is None else only(request.only_warehouse_id, lines, self._free)
        outcome = allocate(lines, free)
        held.changed = True
        held.reserved_until = until
        held.lacking = [LackingProduct(**shortage._asdict()) for shortage in outcome if isinstance(shortage, Shortage)]
        held.shares = [share for share in outcome if isinstance(share, Share)]
        held.shares_changed = True
        held.status = Status.REJECTED if held.lacking else Status.RESERVED
        self._take(held.shares, 1)

    def _free_all(self, held: ReservationState) -> None:
        if held.shares:
            self._take(held.shares, -1)
            held.shares, held.shares_changed = [], True

    def _take(self, shares: Sequence[Share], sign: int) -> None:
        for _, product_id, warehouse_id, quantity in shares:
            self._free[product_id][warehouse_id] -= sign * quantity

    def _make_shipments(self, held: ReservationState, request: FulfilmentRequested) -> None:
        by_warehouse = sorted(held.shares, key=lambda share: (share.warehouse_id, share.position))
        parts = [(place, list(part)) for place, part in groupby(by_warehouse, lambda share: share.warehouse_id)]
        for warehouse_id, part in parts:
            created = ShipmentCreated(
                shipment_id=uuid7(),
                order_id=request.order_id,
                customer_id=request.customer_id,
                number=request.number,
                warehouse_id=warehouse_id,
                shipments_of_order=len(parts),
                lines=[LineQuantity(product_id=id, quantity=quantity, position=n + 1) for n, id, _, quantity in part],
                version=1,
            )
            self.new_shipments.append(NewShipment(created, request.ship_to, request.shipping))
            self.events.append(created)

    def _answer(self, held: ReservationState, answer: type[InventoryAnswer], **fields: Any) -> None:
        """Adds an answer to the order service. Each answer has a new version of the reservation."""
        held.version += 1
        held.changed = True
        self.events.append(answer(order_id=held.order_id, version=held.version, **fields))
