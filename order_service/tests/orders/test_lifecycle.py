"""The table of an order's transitions, without a database: every status with every trigger."""

from datetime import timedelta
from uuid import uuid4

import pytest

from order_service.orders.lifecycle import (
    COMMANDS,
    RULES,
    Cause,
    EventKind,
    OrderState,
    Rule,
    Shipment,
    TransitionRefused,
    Trigger,
)
from order_service.orders.lifecycle import EventKind as Kind
from order_service.orders.models import ENDS, UNWANTED, Actor, FulfilmentStatus, ShipmentStatus, Status
from service_kit.clock import utcnow

S, T = Status, Trigger

DECISIONS = (T.RETURN_APPROVED, T.RETURN_REFUSED, T.RETURN_WITHDRAWN)
ARRIVING = (S.PARTIALLY_SHIPPED, S.SHIPPED, S.DELIVERED)
RETURNABLE = (*ARRIVING, S.COMPLETED)
# As in orders.md; nothing else changes a status.
CHANGES: dict[tuple[Status, Trigger], tuple[Status, tuple[EventKind, ...]]] = {
    (S.PENDING, T.RESERVATION_ACCEPTED): (S.AWAITING_PAYMENT, (Kind.AWAITING_PAYMENT,)),
    (S.PENDING, T.RESERVATION_REJECTED): (S.REJECTED, (Kind.REJECTED,)),
    (S.PENDING, T.CANCEL): (S.CANCELLED, (Kind.CANCELLED, Kind.RELEASE)),
    (S.AWAITING_PAYMENT, T.CAPTURED_IN_FULL): (S.PAID, (Kind.PAID, Kind.FULFIL)),
    (S.AWAITING_PAYMENT, T.PAY_BY_PASSED): (S.EXPIRED, (Kind.EXPIRED, Kind.RELEASE)),
    (S.AWAITING_PAYMENT, T.CANCEL): (S.CANCELLED, (Kind.CANCELLED, Kind.RELEASE)),
    (S.PAID, T.CANCEL): (S.CANCELLING, (Kind.RELEASE,)),
    (S.PAID, T.REFUNDED_IN_FULL): (S.CANCELLING, (Kind.RELEASE,)),
    (S.PAID, T.RESERVATION_REJECTED): (S.CANCELLED, (Kind.CANCELLED,)),
    (S.PAID, T.SHIPMENT_DISPATCHED): (S.PARTIALLY_SHIPPED, (Kind.SHIPPED,)),
    (S.PAID, T.LAST_SHIPMENT_DISPATCHED): (S.SHIPPED, (Kind.SHIPPED,)),
    (S.PAID, T.LAST_SHIPMENT_DELIVERED): (S.DELIVERED, (Kind.DELIVERED,)),
    (S.CANCELLING, T.RESERVATION_RELEASED): (S.CANCELLED, (Kind.CANCELLED,)),
    (S.CANCELLING, T.RESERVATION_REJECTED): (S.CANCELLED, (Kind.CANCELLED,)),
    (S.CANCELLING, T.RELEASE_REFUSED): (S.PAID, ()),
    (S.PARTIALLY_SHIPPED, T.LAST_SHIPMENT_DISPATCHED): (S.SHIPPED, (Kind.SHIPPED,)),
    (S.PARTIALLY_SHIPPED, T.LAST_SHIPMENT_DELIVERED): (S.DELIVERED, (Kind.DELIVERED,)),
    (S.SHIPPED, T.LAST_SHIPMENT_DELIVERED): (S.DELIVERED, (Kind.DELIVERED,)),
    **{
        (status, T.EVERY_SHIPMENT_LOST): (S.CANCELLED, (Kind.CANCELLED,))
        for status in (S.PAID, S.PARTIALLY_SHIPPED, S.SHIPPED)
    },
    (S.DELIVERED, T.RETURN_WINDOW_OVER): (S.COMPLETED, (Kind.COMPLETED,)),
    (S.DELIVERED, T.LAST_RETURN_RECEIVED): (S.RETURNED, (Kind.RETURNED,)),
    (S.COMPLETED, T.LAST_RETURN_RECEIVED): (S.RETURNED, (Kind.RETURNED,)),
}
PUBLISHES_ONLY: dict[tuple[Status, Trigger], tuple[EventKind, ...]] = {
    (S.PARTIALLY_SHIPPED, T.SHIPMENT_DISPATCHED): (Kind.SHIPPED,),
    (S.REJECTED, T.RESERVATION_ACCEPTED): (Kind.RELEASE,),
    (S.CANCELLED, T.RESERVATION_ACCEPTED): (Kind.RELEASE,),
    (S.EXPIRED, T.RESERVATION_ACCEPTED): (Kind.RELEASE,),
    **{(status, T.RETURN_REQUESTED): (Kind.RETURN_REQUESTED,) for status in ARRIVING},
    (S.PARTIALLY_SHIPPED, T.REFUNDED_IN_FULL): (Kind.REFUNDED,),
    **{(status, T.REFUND_CONFIRMED): (Kind.REFUNDED,) for status in (S.PAID, S.PARTIALLY_SHIPPED)},
    **{(status, T.REFUND_FAILED): (Kind.REFUNDED,) for status in (S.PAID, S.PARTIALLY_SHIPPED)},
    **{(status, T.RETURN_APPROVED): (Kind.RETURN_APPROVED, Kind.EXPECT_RETURN) for status in RETURNABLE},
    **{(status, T.RETURN_REFUSED): (Kind.RETURN_REFUSED,) for status in RETURNABLE},
}
CHANGES_NOTHING = {
    *((status, T.CHANGE_SHIP_TO) for status in (S.PENDING, S.AWAITING_PAYMENT)),
    *((status, T.RETURN_WITHDRAWN) for status in RETURNABLE),
    *((status, trigger) for status in RETURNABLE for trigger in (T.RETURN_RECEIVED, T.RETURN_CLOSED)),
    *((status, T.SHIPMENT_LOST) for status in (S.PARTIALLY_SHIPPED, S.SHIPPED)),
}
REFUSED = {
    *((status, T.CANCEL) for status in Status if status not in (S.PENDING, S.AWAITING_PAYMENT, S.PAID)),
    *((status, T.CHANGE_SHIP_TO) for status in Status if status not in (S.PENDING, S.AWAITING_PAYMENT)),
    *((status, T.RETURN_REQUESTED) for status in Status if status not in ARRIVING),
    *((status, trigger) for status in Status if status not in RETURNABLE for trigger in DECISIONS),
}
REFUNDS = {
    (S.PENDING, T.RESERVATION_REJECTED),
    (S.PENDING, T.CANCEL),
    (S.AWAITING_PAYMENT, T.CANCEL),
    (S.AWAITING_PAYMENT, T.PAY_BY_PASSED),
    (S.PAID, T.RESERVATION_REJECTED),
    (S.CANCELLING, T.RESERVATION_RELEASED),
    (S.CANCELLING, T.RESERVATION_REJECTED),
    *((status, T.EVERY_SHIPMENT_LOST) for status in (S.PAID, S.PARTIALLY_SHIPPED, S.SHIPPED)),
    *((status, trigger) for status in UNWANTED for trigger in (T.CAPTURED_IN_PART, T.CAPTURED_IN_FULL)),
}


def an_order(status: Status = S.PENDING, *, total: int = 1000, captured: int = 0) -> OrderState:
    now = utcnow()
    return OrderState(
        id=uuid4(),
        number="1",
        customer_id=uuid4(),
        status=status,
        currency="GBP",
        total=total,
        captured=captured,
        refunded=0,
        pay_by=now + timedelta(hours=1),
        ship_to={},
        version=5,
        status_since=now - timedelta(hours=1),
    )


def cause() -> Cause:
    return Cause(utcnow(), Actor.INVENTORY)


def a_shipment(status: ShipmentStatus, *, of: int = 1, version: int = 1) -> Shipment:
    return Shipment(uuid4(), uuid4(), status, of, version=version)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("trigger", Trigger)
def test_every_trigger_in_every_status_follows_the_table(status: Status, trigger: Trigger) -> None:
    order = an_order(status)
    pair = (status, trigger)
    if pair in REFUSED:
        with pytest.raises(TransitionRefused) as rejected:
            order.move(trigger, cause())
        assert rejected.value.status == 409
        assert (order.status, order.version, order.entries) == (status, 5, [])
        return

    order.move(trigger, cause())

    expected, published = CHANGES.get(pair, (status, PUBLISHES_ONLY.get(pair, ())))
    assert order.status is expected
    assert tuple(pending.kind for pending in order.pending_events) == published
    assert [entry.to_status for entry in order.entries] == [expected], "every trigger is in the history"
    assert (order.to_refund is not None) == (pair in REFUNDS)


def test_the_tests_cover_every_rule_of_the_table() -> None:
    assert set(RULES) == CHANGES.keys() | PUBLISHES_ONLY.keys() | REFUNDS | CHANGES_NOTHING


def test_no_ended_order_changes_its_status_except_that_a_completed_one_is_returned() -> None:
    ways_out = [pair for pair, rule in RULES.items() if pair[0] in ENDS and rule.to is not None]
    assert ways_out == [(S.COMPLETED, T.LAST_RETURN_RECEIVED)]
    assert all(isinstance(rule, Rule) for rule in RULES.values())
    assert {T.CANCEL, T.CHANGE_SHIP_TO, T.RETURN_REQUESTED, *DECISIONS} == COMMANDS


def test_versions_of_events_and_history_grow_by_one() -> None:
    order = an_order(S.AWAITING_PAYMENT)
    order.move(T.CANCEL, cause())
    order.move(T.RESERVATION_RELEASED, cause())
    assert [pending.version for pending in order.pending_events] == [6, 7]
    assert [entry.version for entry in order.entries] == [7, 8]
    assert order.version == 8


def test_money_captured_before_the_reservation_pays_the_order_after_it() -> None:
    order = an_order(S.PENDING, captured=1000)
    order.move(T.RESERVATION_ACCEPTED, cause())
    assert order.status is S.PAID
    assert [pending.kind for pending in order.pending_events] == [Kind.AWAITING_PAYMENT, Kind.PAID, Kind.FULFIL]


def test_an_order_that_costs_nothing_needs_no_payment() -> None:
    order = an_order(S.PENDING, total=0)
    order.move(T.RESERVATION_ACCEPTED, cause())
    assert order.status is S.PAID


@pytest.mark.parametrize(
    ("parcels", "expected"),
    [
        ([ShipmentStatus.CREATED, ShipmentStatus.CREATED], S.PAID),
        ([ShipmentStatus.DISPATCHED, ShipmentStatus.CREATED], S.PARTIALLY_SHIPPED),
        ([ShipmentStatus.DELIVERED, ShipmentStatus.CREATED], S.PARTIALLY_SHIPPED),
        ([ShipmentStatus.DISPATCHED, ShipmentStatus.DISPATCHED], S.SHIPPED),
        ([ShipmentStatus.DELIVERED, ShipmentStatus.DELIVERED], S.DELIVERED),
    ],
)
def test_a_rejected_release_restores_the_status_of_the_parcels(parcels: list[ShipmentStatus], expected: Status) -> None:
    order = an_order(S.CANCELLING)
    for status in parcels:
        order.apply_shipment(a_shipment(status, of=2))
    order.move(T.RELEASE_REFUSED, cause())
    assert order.status is expected


def test_the_last_parcel_is_recognised_by_the_number_of_parcels() -> None:
    order = an_order(S.PAID)
    first, second = a_shipment(ShipmentStatus.DISPATCHED, of=2), a_shipment(ShipmentStatus.DISPATCHED, of=2)
    assert order.apply_shipment(first) is T.SHIPMENT_DISPATCHED
    assert str(order.fulfilment_status) == "partially_shipped"
    assert order.apply_shipment(second) is T.LAST_SHIPMENT_DISPATCHED
    assert str(order.fulfilment_status) == "shipped"


def test_an_outdated_shipment_event_changes_nothing() -> None:
    order = an_order(S.SHIPPED)
    parcel = a_shipment(ShipmentStatus.DELIVERED, version=3)
    order.apply_shipment(parcel)
    assert order.apply_shipment(Shipment(parcel.id, parcel.order_id, ShipmentStatus.DISPATCHED, 1, version=2)) is None
    assert order.fulfilment_status is FulfilmentStatus.DELIVERED
