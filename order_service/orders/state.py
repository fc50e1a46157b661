"""An order as loaded under its lock, and how it moves by the table of `models`: pure, so that every door shares it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from order_service.orders.models import (
    RULES,
    Actor,
    FulfilmentStatus,
    PaymentStatus,
    Said,
    ShipmentStatus,
    Status,
    Trigger,
    payment_status,
    rule_for,
)


@dataclass(slots=True)
class Shipment:
    id: UUID
    status: ShipmentStatus
    shipments_of_order: int
    carrier: str | None = None
    tracking_number: str | None = None
    version: int = 0
    tracking_url: str | None = None
    lines: list[dict[str, Any]] | None = None
    """Told once it has arrived, or is lost; not read again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A step that is to be written to the history."""

    version: int
    at: datetime
    trigger: str
    from_status: Status | None
    to_status: Status
    actor: Actor
    actor_id: UUID | None = None
    reason: str | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Saying:
    """An event that is to be published, with its version; `context` is what its trigger came with."""

    said: Said
    version: int
    reason: str | None
    context: Any
    traceparent: str | None
    partial: bool = False
    """Of a shipment: whether others are still to leave."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what moves an order, when and why; `context` is the event or shipment that speaks of it."""

    at: datetime
    actor: Actor
    actor_id: UUID | None = None
    reason: str | None = None
    context: Any = None
    traceparent: str | None = None
    details: dict[str, Any] | None = None
    """For the history."""


@dataclass(slots=True)
class OrderState:
    """An order as loaded under its lock. `move` changes it and collects what is to be written and published."""

    id: UUID
    number: str
    customer_id: UUID
    status: Status
    currency: str
    total: int
    captured: int
    refunded: int
    pay_by: datetime
    ship_to: dict[str, Any]
    version: int
    status_since: datetime
    refunding: int = 0
    delivered_at: datetime | None = None
    client_address: str | None = None
    pays_by_token: bool = False
    """Whether it is charged by itself once its stock is reserved; known of pending orders only."""
    shipments: dict[UUID, Shipment] = field(default_factory=dict)
    seen_shipments: set[UUID] = field(default_factory=set)
    """Those that changed since the order was loaded."""
    lost: list[Shipment] = field(default_factory=list)
    """Those that were declared lost since, and are still to be refunded."""
    entries: list[Entry] = field(default_factory=list)
    sayings: list[Saying] = field(default_factory=list)
    to_refund: str | None = None
    """Why everything that was captured is to go back; None: it isn't."""

    def move(self, trigger: Trigger, cause: Cause) -> None:
        """One step by the table, and what follows from it at once. Raises: TransitionRefused (commands only)."""
        rule = rule_for(self.status, trigger)
        before, after = self.status, self._by_shipments() if rule.by_shipments else rule.to or self.status
        first = self.version + 1
        self.version += max(1, len(rule.says))
        for version, said in enumerate(rule.says, first):
            partial = after is Status.PARTIALLY_SHIPPED
            self.sayings.append(Saying(said, version, cause.reason, cause.context, cause.traceparent, partial))
        noted = None if (before, trigger) in RULES else f"noted; the order stays {before}"
        who, why = (cause.actor, cause.actor_id), cause.reason or noted
        self.entries.append(Entry(self.version, cause.at, trigger, before, after, *who, why, cause.details))
        if after is not before:
            self.status, self.status_since = after, cause.at
        if after is Status.DELIVERED and before is not after:
            self.delivered_at = cause.at
        if rule.refund:
            self.to_refund = cause.reason or f"the order is {after}"
        if trigger is Trigger.RELEASE_REFUSED and before is Status.CANCELLING and self.is_given_back:
            self._move_if_ruled(Trigger.REFUND_STANDS, cause)
        self.follow(cause)

    @property
    def kept(self) -> int:
        """What pays for the order: money on its way back doesn't."""
        return self.captured - self.refunded - self.refunding

    @property
    def pays_by_itself(self) -> bool:
        """Nothing is asked of the customer: it is free, is paid for already, or a token came with it."""
        return self.pays_by_token or self.kept >= self.total

    @property
    def is_given_back(self) -> bool:
        """Whether all that was paid has gone back, or is on its way."""
        return self.captured > 0 >= self.kept

    def money_moved(self, was_given_back: bool, cause: Cause) -> None:
        """What it means for the order that refunds were asked for, or failed, since it was (or wasn't) given back."""
        if self.is_given_back != was_given_back:
            self._move_if_ruled(Trigger.REFUND_FAILED if was_given_back else Trigger.REFUNDED_IN_FULL, cause)

    def _move_if_ruled(self, trigger: Trigger, cause: Cause) -> None:
        """For what is no step of an order where no rule names it: refunds have a history of their own."""
        if (self.status, trigger) in RULES:
            self.move(trigger, cause)

    def follow(self, cause: Cause) -> None:
        """What was true before the order could know it: money, or the last delivery, that came early."""
        if self.status is Status.AWAITING_PAYMENT and self.kept >= self.total:
            self.move(Trigger.CAPTURED_IN_FULL, Cause(cause.at, Actor.PAYMENTS, traceparent=cause.traceparent))
        elif self.status in (Status.SHIPPED, Status.PARTIALLY_SHIPPED) and self._all_are(ShipmentStatus.DELIVERED):
            lost = self._all_are(ShipmentStatus.LOST)
            trigger = Trigger.EVERY_SHIPMENT_LOST if lost else Trigger.LAST_SHIPMENT_DELIVERED
            self.move(trigger, Cause(cause.at, Actor.INVENTORY, traceparent=cause.traceparent))

    def _by_shipments(self) -> Status:
        if self._all_are(ShipmentStatus.DISPATCHED):
            return Status.SHIPPED
        return Status.PARTIALLY_SHIPPED if self._some_are(ShipmentStatus.DISPATCHED) else Status.PAID

    def see_shipment(self, seen: Shipment) -> Trigger | None:
        """Notes how far a parcel is and says what that means for the order; None: that was known already."""
        known = self.shipments.get(seen.id)
        if known is not None and known.version >= seen.version:
            return None
        if known is not None and seen.carrier is None:
            carried = {name: getattr(known, name) for name in ("carrier", "tracking_number", "tracking_url")}
            seen = replace(seen, **carried)
        self.shipments[seen.id] = seen
        self.seen_shipments.add(seen.id)
        if known is not None and known.status is seen.status:
            return Trigger.SHIPMENT_CORRECTED
        if seen.status is ShipmentStatus.LOST:
            self.lost.append(seen)
            return Trigger.EVERY_SHIPMENT_LOST if self._all_are(ShipmentStatus.LOST) else Trigger.SHIPMENT_LOST
        if seen.status is ShipmentStatus.DISPATCHED:
            last = self._all_are(ShipmentStatus.DISPATCHED)
            return Trigger.LAST_SHIPMENT_DISPATCHED if last else Trigger.SHIPMENT_DISPATCHED
        if seen.status is ShipmentStatus.DELIVERED:
            last = self._all_are(ShipmentStatus.DELIVERED)
            return Trigger.LAST_SHIPMENT_DELIVERED if last else Trigger.SHIPMENT_DELIVERED
        return Trigger.SHIPMENT_CREATED

    @property
    def payment_status(self) -> PaymentStatus:
        return payment_status(self.total, self.captured, self.refunded)

    @property
    def fulfilment_status(self) -> FulfilmentStatus:
        if not self.shipments:
            return FulfilmentStatus.UNFULFILLED
        if self._all_are(ShipmentStatus.LOST):
            return FulfilmentStatus.LOST
        if self._all_are(ShipmentStatus.DELIVERED):
            return FulfilmentStatus.DELIVERED
        if self._all_are(ShipmentStatus.DISPATCHED):
            return FulfilmentStatus.SHIPPED
        some = self._some_are(ShipmentStatus.DISPATCHED)
        return FulfilmentStatus.PARTIALLY_SHIPPED if some else FulfilmentStatus.PREPARING

    def _all_are(self, status: ShipmentStatus) -> bool:
        """Whether every shipment of the order, heard of or not, is at least so far."""
        expected = max((shipment.shipments_of_order for shipment in self.shipments.values()), default=1)
        return self._count(status) >= expected

    def _some_are(self, status: ShipmentStatus) -> bool:
        return self._count(status) > 0

    def _count(self, status: ShipmentStatus) -> int:
        reached = list(ShipmentStatus)[list(ShipmentStatus).index(status) :]
        return sum(shipment.status in reached for shipment in self.shipments.values())
