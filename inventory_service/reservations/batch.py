"""Decides requests of the order service in the order of arrival, on data that was read and locked beforehand.

Pure: it knows no database. What became of reservations, shipments and stock stands in its fields, to be written.
A request that comes too late, too early or twice is answered by what stands; it is never applied and never an error.

| status       | reservation.requested | release.requested                      | fulfilment.requested           |
|--------------|-----------------------|----------------------------------------|--------------------------------|
| none         | reserve or reject     | → released                             | reserve (or reject) and ship   |
| `reserved`   | accepted, as it was   | free → released                        | ship → fulfilling              |
| `rejected`   | rejected, as it was   | says released                          | rejected, as it was            |
| `released`   | rejected              | says released                          | rejected                       |
| `expired`    | says expired          | → released                             | reserve (or reject) and ship   |
| `fulfilling` | accepted, as it was   | free → released; rejected once one left | nothing: its parcels are made  |
| `fulfilled`  | accepted, as it was   | rejected                                | nothing                        |
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from uuid import UUID

from contracts.events.base import Event
from contracts.events.inventory_deduction import (
    FulfilmentRequested,
    InventoryRequest,
    LackingProduct,
    ReleaseRefused,
    ReleaseRequested,
    ReservationAccepted,
    ReservationExpired,
    ReservationRejected,
    ReservationReleased,
    ReservationRequested,
)
from contracts.quantity import LineQuantity, ProductQuantity
from inventory_service.reservations.allocation import Share, Shortage, Wanted, allocate
from inventory_service.reservations.models import ReservationStatus as Status
from inventory_service.shipments.models import NewShipment
from service_kit.ids import uuid7


@dataclass(slots=True)
class ReservationState:
    """A reservation while a batch is decided. `status` None: no request for this order was received before."""

    order_id: UUID
    status: Status | None = None
    version: int = 0
    reserved_until: datetime | None = None
    lacking: list[LackingProduct] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    parcels_left: int = 0
    """Shipments that have gone out."""
    stored: bool = False
    changed: bool = False
    shares_changed: bool = False
    shipments_cancelled: bool = False


class ReservationBatch:
    """Works on locked rows: reservations, and the available stock of their products."""

    def __init__(self, held: dict[UUID, ReservationState], free: dict[UUID, dict[UUID, int]], now: datetime) -> None:
        self.held = held
        self.new_shipments: list[NewShipment] = []
        self.events: list[Event] = []
        self._locked = free
        self._free = {product_id: dict(by_warehouse) for product_id, by_warehouse in free.items()}
        self._now = now

    def stock_changes(self) -> list[tuple[UUID, UUID, int]]:
        """(product, warehouse, so much more or less is reserved), in the order in which they were locked."""
        return [
            (product_id, warehouse_id, before - self._free[product_id][warehouse_id])
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
        self._add_expired(held)

    def _reserve(self, held: ReservationState, request: ReservationRequested) -> None:
        if held.status is None:
            self._hold(held, request.lines, request.reserved_until)
        if held.status in (Status.RESERVED, Status.FULFILLING, Status.FULFILLED):
            until = held.reserved_until or self._now
            version = self._next_version(held)
            self._add(ReservationAccepted(order_id=held.order_id, reserved_until=until, version=version))
        elif held.status is Status.EXPIRED:
            self._add_expired(held)  # no rejection: the order may have been paid, and then needs stock again
        else:
            self._reject(held)

    def _release(self, held: ReservationState) -> None:
        if held.parcels_left:
            reason = f"{held.parcels_left} of the order's parcels left already"
            version = self._next_version(held)
            self._add(ReleaseRefused(order_id=held.order_id, reason=reason, version=version))
            return
        if held.status is Status.FULFILLING:
            held.shipments_cancelled = True
        self._free_all(held)
        if held.status is not Status.REJECTED:
            held.status = Status.RELEASED
        self._add(ReservationReleased(order_id=held.order_id, version=self._next_version(held)))

    def _fulfil(self, held: ReservationState, request: FulfilmentRequested) -> None:
        if held.status in (Status.FULFILLING, Status.FULFILLED):
            return
        if held.status in (None, Status.EXPIRED):
            self._hold(held, request.lines, held.reserved_until or self._now)
        if held.status is not Status.RESERVED:
            self._reject(held)
            return
        held.status, held.changed = Status.FULFILLING, True
        self._make_shipments(held, request)

    def _hold(self, held: ReservationState, lines: Sequence[ProductQuantity], until: datetime) -> None:
        """All lines, or none and a rejection."""
        outcome = allocate([Wanted(line.product_id, line.quantity) for line in lines], self._free)
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
        made = [
            NewShipment(
                uuid7(),
                warehouse_id,
                request,
                [LineQuantity(product_id=id, quantity=quantity, position=n + 1) for n, id, _, quantity in part],
                len(parts),
            )
            for warehouse_id, part in parts
        ]
        self.new_shipments += made
        for shipment in made:
            self._add(shipment.created())

    def _reject(self, held: ReservationState) -> None:
        version = self._next_version(held)
        self._add(ReservationRejected(order_id=held.order_id, lines=held.lacking, version=version))

    def _add_expired(self, held: ReservationState) -> None:
        self._add(ReservationExpired(order_id=held.order_id, version=self._next_version(held)))

    def _next_version(self, held: ReservationState) -> int:
        held.version += 1
        held.changed = True
        return held.version

    def _add(self, event: Event) -> None:
        self.events.append(event)
