"""The lifecycle of an order: the table of its transitions, and the functions that apply it. Without I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from order_service.orders.models import (
    BEFORE_PAID,
    UNWANTED,
    Actor,
    FulfilmentStatus,
    PaymentStatus,
    ShipmentStatus,
    Status,
    payment_status,
)
from service_kit.problems import Problem


class Trigger(StrEnum):
    """What can happen to an order: commands, reservations, payments, shipments, returns and time."""

    CANCEL = "cancel"
    CHANGE_SHIP_TO = "change ship_to"
    RESERVATION_ACCEPTED = "reservation.accepted"
    RESERVATION_REJECTED = "reservation.rejected"
    RESERVATION_EXPIRED = "reservation.expired"
    RESERVATION_RELEASED = "reservation.released"
    RELEASE_REFUSED = "release.refused"
    CAPTURED_IN_PART = "captured in part"
    CAPTURED_IN_FULL = "captured in full"
    SHIPMENT_CREATED = "shipment.created"
    SHIPMENT_DISPATCHED = "shipment.dispatched"
    LAST_SHIPMENT_DISPATCHED = "last shipment.dispatched"
    SHIPMENT_DELIVERED = "shipment.delivered"
    LAST_SHIPMENT_DELIVERED = "last shipment.delivered"
    SHIPMENT_LOST = "shipment.lost"
    EVERY_SHIPMENT_LOST = "every shipment.lost"
    SHIPMENT_CORRECTED = "shipment.corrected"
    PAY_BY_PASSED = "pay_by passed"
    RETURN_WINDOW_OVER = "return window over"
    RETURN_REQUESTED = "return.requested"
    RETURN_APPROVED = "return.approved"
    RETURN_REFUSED = "return.refused"
    RETURN_WITHDRAWN = "return.withdrawn"
    RETURN_RECEIVED = "return.received"
    RETURN_CLOSED = "return.closed"
    LAST_RETURN_RECEIVED = "last return.received"
    REFUNDED_IN_FULL = "refunded in full"
    REFUND_CONFIRMED = "refund stands"
    REFUND_FAILED = "refund failed"


COMMANDS = frozenset(
    {
        Trigger.CANCEL,
        Trigger.CHANGE_SHIP_TO,
        Trigger.RETURN_REQUESTED,
        Trigger.RETURN_APPROVED,
        Trigger.RETURN_REFUSED,
        Trigger.RETURN_WITHDRAWN,
    }
)


class EventKind(StrEnum):
    """The events that a transition publishes."""

    AWAITING_PAYMENT = "order.awaiting_payment"
    REJECTED = "order.rejected"
    PAID = "order.paid"
    EXPIRED = "order.expired"
    CANCELLED = "order.cancelled"
    SHIPPED = "order.shipped"
    DELIVERED = "order.delivered"
    COMPLETED = "order.completed"
    RETURNED = "order.returned"
    RETURN_REQUESTED = "return.requested"
    RETURN_APPROVED = "return.approved"
    RETURN_REFUSED = "return.refused"
    RELEASE = "release.requested"
    FULFIL = "fulfilment.requested"
    EXPECT_RETURN = "return.expected"
    REFUNDED = "fulfilment.refunded"
    """Published when the order becomes refunded in full, or no longer is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`to` None: the status stays. `refund`: all that was captured is refunded."""

    to: Status | None
    publishes: tuple[EventKind, ...] = ()
    refund: bool = False
    by_shipments: bool = False
    """The next status is `paid`, `partially_shipped` or `shipped`, depending on the shipments."""


S, T, E = Status, Trigger, EventKind

SOME_ARRIVED = (S.PARTIALLY_SHIPPED, S.SHIPPED, S.DELIVERED)
"""Statuses in which some parcels may have arrived; the shipments show which."""
RETURNABLE = (*SOME_ARRIVED, S.COMPLETED)
_SOME_ON_THE_WAY = (S.PAID, S.PARTIALLY_SHIPPED, S.SHIPPED)

_STAYS = Rule(None)
_CANCELLED = Rule(S.CANCELLED, (E.CANCELLED,), refund=True)


def _all(statuses: Iterable[Status], triggers: Iterable[Trigger], rule: Rule) -> dict[tuple[Status, Trigger], Rule]:
    return {(status, trigger): rule for status in statuses for trigger in triggers}


RULES: dict[tuple[Status, Trigger], Rule] = {
    # Commands. One without a rule is rejected.
    **_all(BEFORE_PAID, [T.CHANGE_SHIP_TO], _STAYS),
    **_all(BEFORE_PAID, [T.CANCEL], Rule(S.CANCELLED, (E.CANCELLED, E.RELEASE), refund=True)),
    (S.PAID, T.CANCEL): Rule(S.CANCELLING, (E.RELEASE,)),
    **_all(SOME_ARRIVED, [T.RETURN_REQUESTED], Rule(None, (E.RETURN_REQUESTED,))),
    **_all(RETURNABLE, [T.RETURN_APPROVED], Rule(None, (E.RETURN_APPROVED, E.EXPECT_RETURN))),
    **_all(RETURNABLE, [T.RETURN_REFUSED], Rule(None, (E.RETURN_REFUSED,))),
    **_all(RETURNABLE, [T.RETURN_WITHDRAWN], _STAYS),
    # Events and time. One without a rule changes nothing, and is recorded in the history.
    (S.PENDING, T.RESERVATION_ACCEPTED): Rule(S.AWAITING_PAYMENT, (E.AWAITING_PAYMENT,)),
    (S.PENDING, T.RESERVATION_REJECTED): Rule(S.REJECTED, (E.REJECTED,), refund=True),
    (S.AWAITING_PAYMENT, T.CAPTURED_IN_FULL): Rule(S.PAID, (E.PAID, E.FULFIL)),
    (S.AWAITING_PAYMENT, T.PAY_BY_PASSED): Rule(S.EXPIRED, (E.EXPIRED, E.RELEASE), refund=True),
    (S.CANCELLING, T.RESERVATION_RELEASED): _CANCELLED,
    (S.CANCELLING, T.RELEASE_REFUSED): Rule(None, by_shipments=True),
    **_all([S.PAID, S.CANCELLING], [T.RESERVATION_REJECTED], _CANCELLED),
    (S.PAID, T.SHIPMENT_DISPATCHED): Rule(S.PARTIALLY_SHIPPED, (E.SHIPPED,)),
    (S.PARTIALLY_SHIPPED, T.SHIPMENT_DISPATCHED): Rule(None, (E.SHIPPED,)),
    **_all([S.PAID, S.PARTIALLY_SHIPPED], [T.LAST_SHIPMENT_DISPATCHED], Rule(S.SHIPPED, (E.SHIPPED,))),
    # Also from `paid`, since staff may have discarded the dead letter of the dispatch.
    **_all(_SOME_ON_THE_WAY, [T.LAST_SHIPMENT_DELIVERED], Rule(S.DELIVERED, (E.DELIVERED,))),
    (S.DELIVERED, T.RETURN_WINDOW_OVER): Rule(S.COMPLETED, (E.COMPLETED,)),
    **_all(RETURNABLE, [T.RETURN_RECEIVED, T.RETURN_CLOSED], _STAYS),
    **_all([S.DELIVERED, S.COMPLETED], [T.LAST_RETURN_RECEIVED], Rule(S.RETURNED, (E.RETURNED,))),
    # A lost parcel counts as ended, and its lines are refunded. An order of which every parcel is lost is
    # cancelled, and refunded in full.
    **_all([S.PARTIALLY_SHIPPED, S.SHIPPED], [T.SHIPMENT_LOST], _STAYS),
    **_all(_SOME_ON_THE_WAY, [T.EVERY_SHIPMENT_LOST], _CANCELLED),
    # If all that was paid is refunded, the order is cancelled, unless a parcel has left meanwhile; then the warehouse
    # is warned not to send the others.
    (S.PAID, T.REFUNDED_IN_FULL): Rule(S.CANCELLING, (E.RELEASE,)),
    (S.PARTIALLY_SHIPPED, T.REFUNDED_IN_FULL): Rule(None, (E.REFUNDED,)),
    **_all([S.PAID, S.PARTIALLY_SHIPPED], [T.REFUND_CONFIRMED, T.REFUND_FAILED], Rule(None, (E.REFUNDED,))),
    # Stock and money that arrive for an order that was rejected, cancelled or expired are released and refunded.
    **_all(UNWANTED, [T.RESERVATION_ACCEPTED], Rule(None, (E.RELEASE,))),
    **_all(UNWANTED, [T.CAPTURED_IN_PART, T.CAPTURED_IN_FULL], Rule(None, refund=True)),
}
# The trigger for a parcel in this state, and the one if all parcels of the order have reached it.
_MEANINGS = {
    ShipmentStatus.CREATED: (T.SHIPMENT_CREATED, T.SHIPMENT_CREATED),
    ShipmentStatus.DISPATCHED: (T.SHIPMENT_DISPATCHED, T.LAST_SHIPMENT_DISPATCHED),
    ShipmentStatus.DELIVERED: (T.SHIPMENT_DELIVERED, T.LAST_SHIPMENT_DELIVERED),
    ShipmentStatus.LOST: (T.SHIPMENT_LOST, T.EVERY_SHIPMENT_LOST),
}


class TransitionRefused(Problem, status=409, type="order-transition-refused"):
    """The order is {order_status}, which does not allow: {trigger}."""


def rule_for(status: Status, trigger: Trigger) -> Rule:
    """Raises: TransitionRefused, for a command without a rule. An event without a rule changes nothing."""
    rule = RULES.get((status, trigger))
    if rule is None and trigger in COMMANDS:
        raise TransitionRefused(order_status=str(status), trigger=str(trigger))
    return rule or _STAYS


@dataclass(slots=True)
class Shipment:
    id: UUID
    order_id: UUID
    status: ShipmentStatus
    shipments_of_order: int
    carrier: str | None = None
    tracking_number: str | None = None
    version: int = 0
    tracking_url: str | None = None
    lines: list[dict[str, Any]] | None = None
    """Set when it has arrived or is lost; not loaded from the database."""

    def __post_init__(self) -> None:
        self.status = ShipmentStatus(self.status)  # the database stores text


@dataclass(frozen=True, slots=True)
class Entry:
    """A step that is to be written to the history."""

    order_id: UUID
    version: int
    at: datetime
    trigger: str
    from_status: Status | None
    to_status: Status
    actor: Actor
    actor_id: UUID | None = None
    reason: str | None = None
    details: dict[str, Any] | None = None
    since: datetime | None = None
    """When the order entered `from_status`; not stored."""


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event to be published, with its version; `context` is the data of its trigger."""

    kind: EventKind
    version: int
    reason: str | None
    context: Any
    traceparent: str | None
    partial: bool = False
    """For a shipment: whether other parcels have not left yet."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what causes a transition, when and why; `context` is the data that its events need."""

    at: datetime
    actor: Actor
    actor_id: UUID | None = None
    reason: str | None = None
    context: Any = None
    traceparent: str | None = None
    details: dict[str, Any] | None = None
    """Stored in the history."""


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
    redeemed: int = 0  # codes
    shipping: dict[str, Any] | None = None
    """The chosen shipping method, as `Order.shipping`."""
    pays_by_token: bool = False
    """Whether a payment token is charged once its stock is reserved; loaded for pending orders only."""
    shipments: dict[UUID, Shipment] = field(default_factory=dict)
    changed_shipments: set[UUID] = field(default_factory=set)
    """Ids of the shipments that changed since the order was loaded."""
    lost: list[Shipment] = field(default_factory=list)
    """Shipments that were reported lost since then, and must still be refunded."""
    entries: list[Entry] = field(default_factory=list)
    pending_events: list[PendingEvent] = field(default_factory=list)
    to_refund: str | None = None
    """The reason for a refund of everything that was captured; None: no refund."""
    refund_traceparent: str | None = None
    """Of what that refund follows from; None: of the current trace."""

    def __post_init__(self) -> None:
        self.status = Status(self.status)  # the database stores text

    def move(self, trigger: Trigger, cause: Cause) -> None:
        """Applies a trigger, and what follows from it at once. Raises: TransitionRefused (commands only)."""
        rule = rule_for(self.status, trigger)
        before, after = self.status, self._by_shipments() if rule.by_shipments else rule.to or self.status
        first = self.version + 1
        self.version += max(1, len(rule.publishes))
        for version, kind in enumerate(rule.publishes, first):
            about = (cause.reason, cause.context, cause.traceparent, after is Status.PARTIALLY_SHIPPED)
            self.pending_events.append(PendingEvent(kind, version, *about))
        noted = None if (before, trigger) in RULES else f"noted; the order stays {before}"
        who, why = (cause.actor, cause.actor_id), cause.reason or noted
        step = (self.id, self.version, cause.at, trigger, before, after)
        self.entries.append(Entry(*step, *who, why, cause.details, self.status_since))
        if after is not before:
            self.status, self.status_since = after, cause.at
        if after is Status.DELIVERED and before is not after:
            self.delivered_at = cause.at
        if rule.refund:
            self.to_refund = cause.reason or f"the order is {after}"
            self.refund_traceparent = cause.traceparent
        if trigger is Trigger.RELEASE_REFUSED and before is Status.CANCELLING and self.is_refunded_in_full:
            self._move_if_ruled(Trigger.REFUND_CONFIRMED, cause)
        self.follow(cause)

    @property
    def net_paid(self) -> int:
        """The captured amount, less refunds that were made or are in progress."""
        return self.captured - self.refunded - self.refunding

    @property
    def pays_automatically(self) -> bool:
        """Whether the customer need not act: it is free, paid already, or came with a payment token."""
        return self.pays_by_token or self.net_paid >= self.total

    @property
    def is_refunded_in_full(self) -> bool:
        """Whether all that was paid was refunded, or is being refunded."""
        return self.captured > 0 >= self.net_paid

    def money_moved(self, was_refunded_in_full: bool, cause: Cause) -> None:
        """Applies that refunds were requested, or have failed; `was_refunded_in_full` is the value before that."""
        if self.is_refunded_in_full != was_refunded_in_full:
            self._move_if_ruled(Trigger.REFUND_FAILED if was_refunded_in_full else Trigger.REFUNDED_IN_FULL, cause)

    def _move_if_ruled(self, trigger: Trigger, cause: Cause) -> None:
        """Ignores a trigger without a rule, instead of recording it: refunds have a history of their own."""
        if (self.status, trigger) in RULES:
            self.move(trigger, cause)

    def follow(self, cause: Cause) -> None:
        """Applies money, or a last delivery, that arrived before the status of the order allowed it."""
        if self.status is Status.AWAITING_PAYMENT and self.net_paid >= self.total:
            self.move(Trigger.CAPTURED_IN_FULL, Cause(cause.at, Actor.PAYMENTS, traceparent=cause.traceparent))
        elif self.status in (Status.SHIPPED, Status.PARTIALLY_SHIPPED) and self._all_are(ShipmentStatus.DELIVERED):
            lost = self._all_are(ShipmentStatus.LOST)
            trigger = Trigger.EVERY_SHIPMENT_LOST if lost else Trigger.LAST_SHIPMENT_DELIVERED
            self.move(trigger, Cause(cause.at, Actor.INVENTORY, traceparent=cause.traceparent))

    def _by_shipments(self) -> Status:
        if self._all_are(ShipmentStatus.DISPATCHED):
            return Status.SHIPPED
        return Status.PARTIALLY_SHIPPED if self._count(ShipmentStatus.DISPATCHED) else Status.PAID

    def apply_shipment(self, seen: Shipment) -> Trigger | None:
        """Stores the state of a parcel; returns the trigger for its order, or None if the state is not new."""
        known = self.shipments.get(seen.id)
        if known is not None:
            if known.version >= seen.version:
                return None
            if seen.carrier is None:
                carried = {name: getattr(known, name) for name in ("carrier", "tracking_number", "tracking_url")}
                seen = replace(seen, **carried)
        self.shipments[seen.id] = seen
        self.changed_shipments.add(seen.id)
        if known is not None and known.status is seen.status:
            return Trigger.SHIPMENT_CORRECTED
        if seen.status is ShipmentStatus.LOST:
            self.lost.append(seen)
        of_one, of_last = _MEANINGS[seen.status]
        return of_last if self._all_are(seen.status) else of_one

    def capture(self, captured_total: int, cause: Cause) -> int:
        """Books the newly captured money; returns the amount that the order doesn't want, which the caller must refund.

        An unpaid order wants its unpaid amount; a paid or ended one wants nothing, so that a refund by staff does not
        allow a second payment.
        """
        added = captured_total - self.captured
        if added <= 0:
            return 0
        wanted = max(0, self.total - self.net_paid) if self.status in BEFORE_PAID else 0
        unwanted = max(0, added - wanted)
        self.captured = captured_total
        trigger = Trigger.CAPTURED_IN_FULL if self.net_paid >= self.total else Trigger.CAPTURED_IN_PART
        if unwanted:
            surplus = f"{unwanted} of {added} are refunded: the order doesn't want them"
            cause = replace(cause, reason=f"{cause.reason}; {surplus}" if cause.reason else surplus)
        self.move(trigger, cause)
        self.to_refund = None  # the caller refunds exactly what is unwanted
        return unwanted

    @property
    def payment_status(self) -> PaymentStatus:
        return payment_status(self.total, self.captured, self.refunded)

    @property
    def fulfilment_status(self) -> FulfilmentStatus:
        if not self.shipments:
            return FulfilmentStatus.UNFULFILLED
        if self._all_are(ShipmentStatus.DISPATCHED):
            ended = (status for status in (ShipmentStatus.LOST, ShipmentStatus.DELIVERED) if self._all_are(status))
            return FulfilmentStatus(next(ended, FulfilmentStatus.SHIPPED))
        some = self._count(ShipmentStatus.DISPATCHED) > 0
        return FulfilmentStatus.PARTIALLY_SHIPPED if some else FulfilmentStatus.PREPARING

    def _all_are(self, status: ShipmentStatus) -> bool:
        """Whether every shipment of the order, known or not, has reached this status."""
        expected = max((shipment.shipments_of_order for shipment in self.shipments.values()), default=1)
        return self._count(status) >= expected

    def _count(self, status: ShipmentStatus) -> int:
        reached = list(ShipmentStatus)[list(ShipmentStatus).index(status) :]
        return sum(shipment.status in reached for shipment in self.shipments.values())
