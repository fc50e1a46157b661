"""A driver for the pure rules, combined as in the use cases, without a database."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from contracts.address import Address
from contracts.events.inventory_deduction import (
    FulfilmentRefunded,
    FulfilmentRequested,
    InventoryRequest,
    ReleaseRequested,
    ReservationRequested,
    ReturnExpected,
)
from contracts.events.shipment_notification import ReturnClosed, ReturnReceived, ShipmentEvent
from contracts.quantity import ProductQuantity
from order_service.fulfilment.consumers import ANSWERS, shipment_of
from order_service.orders.lifecycle import Cause, EventKind, OrderState, Shipment, TransitionRefused, Trigger
from order_service.orders.models import UNWANTED, Actor, OrderLine, ShipmentStatus, Status
from order_service.payments.models import (
    Account,
    ChargeReport,
    Payment,
    PaymentState,
    Refund,
    RefundReport,
    RefundState,
)
from order_service.returns.models import MoreThanReturnable, Return, Returnable, ReturnDecided, ReturnStatus, Wanted
from order_service.returns.parcels import pieces_of
from order_service.returns.queries import ALL_ENDED
from order_service.returns.use_cases import DECISIONS
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.model.driver import UNIT_PRICE, Message, Opened
from tests.model.expected import Charge, Observed, ObservedRefund, ObservedReturn

GATEWAY = "sandbox"
CURRENCY = "GBP"
DECIDED = {
    "approve": ReturnStatus.APPROVED,
    "reject": ReturnStatus.REJECTED,
    "withdraw": ReturnStatus.WITHDRAWN,
}
SHIP_TO = Address(name="Ada King", line1="12 St James's Square", city="London", country="GB")


@dataclass
class StoredOrder:
    """One order as the tables store it."""

    state: OrderState
    lines: list[ProductQuantity]
    account: Account = field(default_factory=lambda: Account([], []))
    returns: dict[UUID, Return] = field(default_factory=dict)
    emitted: list[tuple[str, int]] = field(default_factory=list)
    history: list[tuple[int, str | None, str]] = field(default_factory=list)
    requests: list[InventoryRequest] = field(default_factory=list)


class Pure:
    def __init__(self) -> None:
        self._orders: dict[UUID, StoredOrder] = {}
        self._handled: set[UUID] = set()

    def product(self) -> UUID:
        return uuid7()

    def place(self, lines: Counter[UUID]) -> UUID:
        now = utcnow()
        state = OrderState(
            id=uuid7(),
            number=str(100_001 + len(self._orders)),
            customer_id=uuid4(),
            status=Status.PENDING,
            currency=CURRENCY,
            total=lines.total() * UNIT_PRICE,
            captured=0,
            refunded=0,
            pay_by=now + timedelta(hours=24),
            ship_to={},
            version=2,
            status_since=now,
        )
        wanted = [ProductQuantity(product_id=product, quantity=count) for product, count in lines.items()]
        reserve = ReservationRequested(order_id=state.id, version=2, lines=wanted, reserved_until=state.pay_by)
        emitted = [("order.placed", 1), ("reservation.requested", 2)]
        self._orders[state.id] = StoredOrder(
            state, wanted, emitted=emitted, history=[(2, None, "pending")], requests=[reserve]
        )
        return state.id

    def cancel(self, order_id: UUID, *, by_staff: bool) -> bool:
        try:
            self._move(order_id, Trigger.CANCEL, Actor.STAFF if by_staff else Actor.CUSTOMER)
        except TransitionRefused:
            return False
        return True

    def deliver(self, message: Message) -> None:
        """Handles an event as `fulfilment.consumers` does; a duplicate is ignored, as by the inbox."""
        event = message.event
        if message.id in self._handled:
            return
        self._handled.add(message.id)
        if isinstance(event, ShipmentEvent):
            if trigger := self._orders[event.order_id].state.apply_shipment(shipment_of(event)):
                self._move(event.order_id, trigger, Actor.INVENTORY)
                self._refund_lost(self._orders[event.order_id])
        elif isinstance(event, (ReturnReceived, ReturnClosed)):
            self._receive(self._orders[event.order_id], event)
        else:
            self._move(UUID(event.key), ANSWERS[type(event)], Actor.INVENTORY)  # type: ignore[index]  # an answer

    def pay_by_passes(self, order_id: UUID) -> None:
        self._move(order_id, Trigger.PAY_BY_PASSED, Actor.CLOCK)

    def return_window_ends(self, order_id: UUID) -> None:
        self._move(order_id, Trigger.RETURN_WINDOW_OVER, Actor.CLOCK)

    def open_payment(self, order_id: UUID) -> Opened | None:
        stored = self._orders[order_id]
        left = stored.state.total - stored.state.net_paid
        is_open = any(payment.status == PaymentState.PENDING for payment in stored.account.payments)
        if stored.state.status is not Status.AWAITING_PAYMENT or is_open or left <= 0:
            return None
        payment = _payment(stored.state, uuid7(), left, version=1)
        stored.account.payments.append(payment)
        return Opened(payment.id, left)

    def charge_is(self, charge: Charge, *, succeeded: bool) -> None:
        stored = self._orders[charge.order_id]
        payment = stored.account.payment(charge.id)
        if payment is None:
            payment = _payment(stored.state, charge.id, charge.amount, version=0)
            stored.account.payments.append(payment)
        state = PaymentState.SUCCEEDED if succeeded else PaymentState.FAILED
        report = ChargeReport(charge.id, charge.order_id, GATEWAY, state, charge.amount, CURRENCY, f"ch_{charge.id}")
        if payment.settle(report, utcnow()) and succeeded:
            unwanted = stored.state.capture(stored.account.captured(CURRENCY), Cause(utcnow(), Actor.PAYMENTS))
            self._save(stored)
            if unwanted:
                self._add_refunds(stored, min(unwanted, payment.amount))

    def ask_refund(self, order_id: UUID, payment_id: UUID, amount: int) -> bool:
        account = self._orders[order_id].account
        payment = account.payment(payment_id)
        if payment is None or not 0 < amount <= account.left(payment):
            return False
        account.refunds.append(_refund(payment, amount))
        self._refunds_moved(self._orders[order_id])
        return True

    def refund_is(self, order_id: UUID, refund: ObservedRefund, *, succeeded: bool) -> None:
        stored = self._orders[order_id]
        state = RefundState.SUCCEEDED if succeeded else RefundState.FAILED
        report = RefundReport(
            refund.id, refund.payment_id, order_id, GATEWAY, state, refund.amount, CURRENCY, f"re_{refund.id}"
        )
        found = stored.account.refund(report)
        assert found is not None
        found.settle(report, utcnow())
        self._refunds_moved(stored)
        stored.state.follow(Cause(utcnow(), Actor.PAYMENTS))
        self._save(stored)

    def ask_return(self, order_id: UUID, pieces: Counter[UUID]) -> UUID | None:
        stored = self._orders[order_id]
        made = Return(order_id=order_id, customer_id=stored.state.customer_id, currency=CURRENCY, lines=[])
        try:
            wanted = [Wanted(None, product, count) for product, count in pieces.items()]
            made.lines = self._returnable(stored).take(wanted)
            stored.state.move(Trigger.RETURN_REQUESTED, Cause(utcnow(), Actor.CUSTOMER, context=made))
        except (MoreThanReturnable, TransitionRefused):
            return None
        stored.returns[made.id] = made
        self._save(stored)
        return made.id

    def decide_return(self, order_id: UUID, return_id: UUID, decision: str) -> bool:
        stored, status = self._orders[order_id], DECIDED[decision]
        found = stored.returns[return_id]
        try:
            found.decide(status, stored.state.customer_id, utcnow())
        except ReturnDecided:
            return False
        trigger, actor = DECISIONS[status]
        stored.state.move(trigger, Cause(utcnow(), actor, context=found))
        self._save(stored)
        return True

    def _refund_lost(self, stored: StoredOrder) -> None:
        """Refunds lost parcels as `fulfilment.use_cases` does."""
        order, lost = stored.state, stored.state.lost
        order.lost = []
        if lost and order.status not in UNWANTED:
            bought = self._returnable(stored, without=lost)
            pieces = pieces_of(bought.lines, [parcel.lines or [] for parcel in lost], bought.gone())
            worth = min(bought.worth(pieces, CURRENCY), max(order.net_paid, 0), stored.account.left_in(CURRENCY))
            was_refunded_in_full = order.is_refunded_in_full
            self._add_refunds(stored, worth)
            order.money_moved(was_refunded_in_full, Cause(utcnow(), Actor.INVENTORY))
            if order.status is Status.DELIVERED and self._returnable(stored).all_returned():
                order.move(Trigger.LAST_RETURN_RECEIVED, Cause(utcnow(), Actor.INVENTORY))
            self._save(stored)

    def _receive(self, stored: StoredOrder, event: ReturnReceived | ReturnClosed) -> None:
        """Receives or closes a return as `returns.use_cases` does."""
        found, order = stored.returns[event.return_id], stored.state
        if isinstance(event, ReturnClosed):
            if found.close(utcnow()):
                order.move(Trigger.RETURN_CLOSED, Cause(utcnow(), Actor.INVENTORY, context=found))
                self._save(stored)
            return
        came = {line.product_id: line.restocked + line.scrapped for line in event.lines}
        if not found.receive(came, self._returnable(stored), utcnow()):
            return
        amount = min(found.worth or 0, max(order.net_paid, 0), stored.account.left_in(CURRENCY))
        self._add_refunds(stored, amount)
        found.refund(amount)
        last = order.status in ALL_ENDED and self._returnable(stored).all_returned()
        trigger = Trigger.LAST_RETURN_RECEIVED if last else Trigger.RETURN_RECEIVED
        order.move(trigger, Cause(utcnow(), Actor.INVENTORY, context=found))
        self._save(stored)

    def _returnable(self, stored: StoredOrder, without: Collection[Shipment] = ()) -> Returnable:
        """The pieces that can be returned, as `returns.queries` reads them."""
        lines, parcels = _lines(stored), [each for each in stored.state.shipments.values() if each not in without]
        lost = pieces_of(lines, [each.lines or [] for each in parcels if each.status is ShipmentStatus.LOST])
        here = pieces_of(lines, [each.lines or [] for each in parcels if each.status is ShipmentStatus.DELIVERED])
        if stored.state.status in ALL_ENDED:
            here = Counter({line.position: line.quantity - lost[line.position] for line in lines})
        return Returnable(lines, list(stored.returns.values()), here, lost)

    def observe(self, order_id: UUID) -> Observed:
        stored = self._orders[order_id]
        state = stored.state
        refunds = (
            ObservedRefund(each.id, each.payment_id, each.amount, str(each.status)) for each in stored.account.refunds
        )
        return Observed(
            status=str(state.status),
            payment_status=str(state.payment_status),
            fulfilment_status=str(state.fulfilment_status),
            version=state.version,
            captured=state.captured,
            refunded=state.refunded,
            refunds=tuple(refunds),
            returns=tuple(
                ObservedReturn(each.id, str(each.status), each.to_refund) for each in stored.returns.values()
            ),
            emitted=tuple(stored.emitted),
            history=tuple(stored.history),
        )

    def requests(self, order_id: UUID) -> list[InventoryRequest]:
        stored = self._orders[order_id]
        asked, stored.requests = stored.requests, []
        return asked

    def _move(self, order_id: UUID, trigger: Trigger, actor: Actor) -> None:
        stored = self._orders[order_id]
        stored.state.move(trigger, Cause(utcnow(), actor))
        self._save(stored)

    def _save(self, stored: StoredOrder) -> None:
        """As `refunds.save` does: stores the changes, publishes the pending events, and refunds surplus money."""
        state = stored.state
        for pending in state.pending_events:
            stored.emitted.append((str(pending.kind), pending.version))
            if pending.kind is EventKind.RELEASE:
                stored.requests.append(ReleaseRequested(order_id=state.id, version=pending.version, reason="cancelled"))
            if pending.kind is EventKind.FULFIL:
                stored.requests.append(_fulfilment(stored, pending.version))
            if pending.kind is EventKind.REFUNDED:
                published = FulfilmentRefunded(
                    order_id=state.id, version=pending.version, refunded=state.is_refunded_in_full
                )
                stored.requests.append(published)
            if pending.kind is EventKind.EXPECT_RETURN:
                stored.requests.append(_expected(stored, pending.context, pending.version))
        stored.history += [(entry.version, entry.from_status, str(entry.to_status)) for entry in state.entries]
        if state.to_refund is not None and state.captured > state.refunded:
            self._add_refunds(stored, None)
        state.entries, state.pending_events, state.to_refund = [], [], None
        state.changed_shipments.clear()

    def _add_refunds(self, stored: StoredOrder, amount: int | None) -> None:
        stored.account.refunds.extend(_refund(payment, part) for payment, part in stored.account.spread(amount))
        self._book_refunds(stored)

    def _refunds_moved(self, stored: StoredOrder) -> None:
        was_refunded_in_full = stored.state.is_refunded_in_full
        self._book_refunds(stored)
        stored.state.money_moved(was_refunded_in_full, Cause(utcnow(), Actor.STAFF))
        self._save(stored)

    def _book_refunds(self, stored: StoredOrder) -> None:
        stored.state.refunded, stored.state.refunding = (
            stored.account.refunded(CURRENCY),
            stored.account.refunding(CURRENCY),
        )


def _lines(stored: StoredOrder) -> list[OrderLine]:
    return [
        OrderLine(
            order_id=stored.state.id, position=position, product_id=line.product_id, sku="", name="",
            quantity=line.quantity, unit_price=UNIT_PRICE,
        )
        for position, line in enumerate(stored.lines, 1)
    ]  # fmt: skip


def _payment(order: OrderState, id: UUID, amount: int, version: int) -> Payment:
    return Payment(
        id=id,
        order_id=order.id,
        customer_id=order.customer_id,
        amount=amount,
        currency=CURRENCY,
        gateway=GATEWAY,
        version=version,
    )


def _refund(payment: Payment, amount: int) -> Refund:
    return Refund(
        payment_id=payment.id, order_id=payment.order_id, amount=amount, currency=CURRENCY, gateway=payment.gateway
    )


def _expected(stored: StoredOrder, back: Return, version: int) -> ReturnExpected:
    return ReturnExpected(
        order_id=stored.state.id,
        version=version,
        return_id=back.id,
        customer_id=stored.state.customer_id,
        number=stored.state.number,
        lines=[ProductQuantity(product_id=product, quantity=count) for product, count in back.pieces().items()],
    )


def _fulfilment(stored: StoredOrder, version: int) -> FulfilmentRequested:
    return FulfilmentRequested(
        order_id=stored.state.id,
        version=version,
        customer_id=stored.state.customer_id,
        number=stored.state.number,
        lines=stored.lines,
        ship_to=SHIP_TO,
    )
