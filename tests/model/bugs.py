"""Bugs that tests inject: each breaks one rule of the services."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from inventory_service.reservations.allocation import Share
from inventory_service.reservations.batch import ReservationBatch, ReservationState
from order_service.orders import lifecycle
from order_service.orders.lifecycle import RULES, Cause, OrderState, Shipment, Trigger
from order_service.orders.models import BEFORE_PAID, Status
from order_service.payments.models import Account, Payment, PaymentState, Refund, RefundState
from order_service.returns.models import Return, Returnable, ReturnStatus

Bug = Callable[[pytest.MonkeyPatch], None]


def a_rule_is_missing(patch: pytest.MonkeyPatch) -> None:
    """The release of the stock of a refunded order does not complete its cancellation."""
    patch.delitem(RULES, (Status.CANCELLING, Trigger.RESERVATION_RELEASED))


def a_cancelled_order_keeps_the_money(patch: pytest.MonkeyPatch) -> None:
    step = (Status.CANCELLING, Trigger.RESERVATION_RELEASED)
    patch.setitem(RULES, step, replace(RULES[step], refund=False))


def a_cancelled_order_is_reopened(patch: pytest.MonkeyPatch) -> None:
    """A late reservation reopens a cancelled order."""
    alive = RULES[Status.PENDING, Trigger.RESERVATION_ACCEPTED]
    patch.setitem(RULES, (Status.CANCELLED, Trigger.RESERVATION_ACCEPTED), alive)


def money_is_refunded_twice(patch: pytest.MonkeyPatch) -> None:
    """A pending refund is ignored when the next one is requested."""

    def left(self: Account, payment: Payment) -> int:
        made = (r.amount for r in self.refunds if r.payment_id == payment.id and r.status == RefundState.SUCCEEDED)
        return payment.amount - sum(made) if payment.status == PaymentState.SUCCEEDED else 0

    patch.setattr(Account, "left", left)


def a_capture_is_counted_twice(patch: pytest.MonkeyPatch) -> None:
    def capture(order: OrderState, captured_total: int, *rest: Any) -> int:
        return right(order, order.captured + captured_total, *rest)

    right = OrderState.capture
    patch.setattr(OrderState, "capture", capture)


def a_late_payment_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """A report about a failed payment is ignored, even if the money was captured after all."""
    patch.setattr(PaymentState, "accepts", lambda self, reported: self is PaymentState.PENDING)


def an_expired_order_keeps_late_money(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "BEFORE_PAID", BEFORE_PAID | {Status.EXPIRED})


def a_failed_refund_counts_as_made(patch: pytest.MonkeyPatch) -> None:
    def refunded(self: Account, currency: str) -> int:
        return sum(r.amount for r in self.refunds if r.status != RefundState.REQUESTED and r.currency == currency)

    patch.setattr(Account, "refunded", refunded)


def a_pending_refund_counts_as_paid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderState, "net_paid", property(lambda self: self.captured - self.refunded))


def a_refund_is_settled_by_every_report(patch: pytest.MonkeyPatch) -> None:
    """A late failure report reverts a successful refund."""

    def settle(self: Refund, report: Any, now: Any) -> bool:
        self.status = report.state
        return True

    patch.setattr(Refund, "settle", settle)


def a_refunded_order_is_dispatched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderState, "money_moved", lambda *arguments: None)


def the_version_is_not_raised(patch: pytest.MonkeyPatch) -> None:
    """A step without an event does not increment the version."""

    def move(self: OrderState, trigger: Trigger, cause: Cause) -> None:
        before, emitted = self.version, len(self.pending_events)
        order_moves(self, trigger, cause)
        if len(self.pending_events) == emitted:
            self.version = before

    order_moves = OrderState.move
    patch.setattr(OrderState, "move", move)


def some_parcels_count_as_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderState, "_all_are", OrderState._count)


def a_parcel_event_is_applied_twice(patch: pytest.MonkeyPatch) -> None:
    def see(self: OrderState, observed: Shipment) -> Trigger | None:
        self.shipments.pop(observed.id, None)
        return order_sees(self, observed)

    order_sees = OrderState.apply_shipment
    patch.setattr(OrderState, "apply_shipment", see)


def released_stock_is_not_freed(patch: pytest.MonkeyPatch) -> None:
    def free_all(self: ReservationBatch, held: ReservationState) -> None:
        held.shares, held.shares_changed = [], True

    patch.setattr(ReservationBatch, "_free_all", free_all)


def a_cancelled_order_ships(patch: pytest.MonkeyPatch) -> None:
    """Its stock is released, but its parcels are not cancelled."""

    def release(self: ReservationBatch, held: ReservationState) -> None:
        batch_releases(self, held)
        held.shipments_cancelled = False

    batch_releases = ReservationBatch._release
    patch.setattr(ReservationBatch, "_release", release)


def pieces_are_reserved_twice(patch: pytest.MonkeyPatch) -> None:
    """A reservation does not reduce the available stock."""

    def take(self: ReservationBatch, shares: Sequence[Share], sign: int) -> None:
        if sign < 0:
            batch_takes(self, shares, sign)

    batch_takes = ReservationBatch._take
    patch.setattr(ReservationBatch, "_take", take)


def a_return_is_received_by_every_report(patch: pytest.MonkeyPatch) -> None:
    """Each report causes another refund."""

    def becomes(self: Return, status: ReturnStatus) -> bool:
        self.status = status
        return True

    patch.setattr(Return, "becomes", becomes)


def pieces_come_back_twice(patch: pytest.MonkeyPatch) -> None:
    """Pieces of an open return can be requested again."""
    patch.setattr(Return, "holds", lambda self: Counter())


def missing_pieces_are_refunded(patch: pytest.MonkeyPatch) -> None:
    def receive(self: Return, came: Mapping[UUID, int], order: Returnable, now: Any) -> bool:
        return return_receives(self, self.pieces(), order, now)

    return_receives = Return.receive
    patch.setattr(Return, "receive", receive)


def a_partial_return_counts_as_complete(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Returnable, "all_returned", lambda self: True)


BUGS: tuple[Bug, ...] = (
    a_rule_is_missing,
    a_cancelled_order_keeps_the_money,
    a_cancelled_order_is_reopened,
    money_is_refunded_twice,
    a_capture_is_counted_twice,
    a_late_payment_is_ignored,
    an_expired_order_keeps_late_money,
    a_failed_refund_counts_as_made,
    a_pending_refund_counts_as_paid,
    a_refund_is_settled_by_every_report,
    a_refunded_order_is_dispatched,
    the_version_is_not_raised,
    some_parcels_count_as_all,
    a_parcel_event_is_applied_twice,
    released_stock_is_not_freed,
    a_cancelled_order_ships,
    pieces_are_reserved_twice,
)
RETURN_BUGS: tuple[Bug, ...] = (
    a_return_is_received_by_every_report,
    pieces_come_back_twice,
    missing_pieces_are_refunded,
    a_partial_return_counts_as_complete,
)
