"""A state machine of orders and all that can happen to them, in any possible sequence; the model is checked after each
step."""

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.events import inventory_deduction as inventory
from contracts.events import shipment_notification as shipping
from contracts.events.base import Event
from inventory_service.shipments.models import Shipment
from service_kit.ids import uuid7
from tests.model.driver import UNIT_PRICE, Driver, Message
from tests.model.expected import FINAL_STATUSES, REFUNDED_STATUSES, Charge, ExpectedOrder, Observed, ObservedRefund
from tests.model.pure_inventory import PureInventory
from tests.model.stock import Hold, Pieces, Stock

T = TypeVar("T")

MOST_ORDERS = 4
STOCK = ((2, 2), (2, 2))
"""Pieces of each product in each warehouse: few enough that orders compete for them."""

SHARES: dict[str, Callable[[int], int]] = {
    "half": lambda total: total // 2,
    "all": lambda total: total,
    "too much": lambda total: total + 100,
}
share = st.sampled_from(sorted(SHARES))
index = st.integers(min_value=0, max_value=255)
"""An index into the existing objects."""


class OrderMachine(RuleBasedStateMachine):
    """Events between inventory and the order service keep their sequence only within a topic and an order.

    Events about parcels arrive in any sequence, as after a discarded dead letter.
    """

    orders: Bundle[UUID] = Bundle("orders")

    def __init__(self, driver: Driver, on_step: Callable[[set[str]], None]) -> None:
        """`on_step` is called with the present statuses after each step."""
        super().__init__()
        self.driver = driver
        self.on_step = on_step
        self.expected: dict[UUID, ExpectedOrder] = {}
        self.observed: dict[UUID, Observed] = {}
        self.charges: list[Charge] = []
        self.to_inventory: dict[UUID, deque[inventory.InventoryRequest]] = defaultdict(deque)
        self.to_order: dict[UUID, deque[Message]] = defaultdict(deque)
        self.parcel_events: list[Message] = []
        self.received: list[Message] = []

    @initialize()
    def create_stock(self) -> None:
        self.products = [self.driver.product() for _ in STOCK]
        warehouses = [uuid7() for _ in STOCK[0]]
        stock = dict(zip(self.products, STOCK, strict=True))
        self.pure_inventory = PureInventory({each: dict(zip(warehouses, stock[each], strict=True)) for each in stock})
        self.stock_model = Stock(Pieces({each: sum(stock[each]) for each in stock}))

    @invariant()
    def check_stock(self) -> None:
        self.on_step({order.status for order in self.expected.values()})
        self.stock_model.match(self.pure_inventory.levels())

    # The customer, staff and the clock.

    @precondition(lambda self: len(self.expected) < MOST_ORDERS)
    @rule(target=orders, first=st.integers(1, 3), second=st.integers(0, 2))
    def place(self, first: int, second: int) -> UUID:
        return self._place(first, second)

    @precondition(lambda self: len(self.expected) < MOST_ORDERS)
    @rule(target=orders, first=st.integers(1, 3), in_time=st.booleans())
    def place_and_pay(self, first: int, in_time: bool) -> UUID:
        """Makes many orders ready for dispatch; the reservation of some has expired, so that they need another."""
        order_id = self._place(first, 0)
        self.handle_all_events()
        if not in_time and order_id in self.pure_inventory.reserved_orders():
            self._reservation_expires(order_id)
        self.charge_without_a_payment(order_id, "all", True)
        return order_id

    @rule(order_id=orders, by_staff=st.booleans())
    def cancel(self, order_id: UUID, by_staff: bool) -> None:
        order = self.expected[order_id]
        assert self.driver.cancel(order_id, by_staff=by_staff) == order.can_be_cancelled()
        order.apply("cancelled")
        self._check_order(order_id)

    @rule(order_id=orders)
    def time_passes(self, order_id: UUID) -> None:
        """The time limit for the payment, or the return window, passes."""
        self.driver.pay_by_passes(order_id)
        self.expected[order_id].apply("not paid in time")
        self._check_order(order_id)
        self.driver.return_window_ends(order_id)
        self.expected[order_id].apply("the return window is over")
        self._check_order(order_id)

    # Money.

    @rule(order_id=orders)
    def open_payment(self, order_id: UUID) -> None:
        order = self.expected[order_id]
        is_open = any(each.order_id == order_id and each.succeeded is None for each in self.charges)
        opened = self.driver.open_payment(order_id)
        if order.status == "awaiting_payment" and not is_open:
            assert opened is not None
            assert opened.amount == order.total - order.left()
            self.charges.append(Charge(opened.payment_id, order_id, opened.amount))
        else:
            assert opened is None
        self._check_order(order_id)

    @rule(order_id=orders, part=share, succeeded=st.booleans())
    def charge_without_a_payment(self, order_id: UUID, part: str, succeeded: bool) -> None:
        """The gateway reports a charge that has no payment here: partial, full or too high, in any status of the order,
        successful or failed."""
        self.charges.append(Charge(uuid4(), order_id, SHARES[part](self.expected[order_id].total)))
        self._report_charge(self.charges[-1], succeeded)

    @precondition(lambda self: self.charges)
    @rule(n=index, succeeded=st.booleans())
    def gateway_reports_a_charge(self, n: int, succeeded: bool) -> None:
        """Reports a charge for the first time, repeatedly, or with another result: only a late success changes
        anything."""
        self._report_charge(_at(self.charges, n), succeeded)

    @precondition(lambda self: self.charges)
    @rule(n=index, part=share)
    def staff_refund(self, n: int, part: str) -> None:
        charge = _at(self.charges, n)
        amount = SHARES[part](charge.amount)
        allowed = 0 < amount <= self._left_of(charge)
        assert self.driver.ask_refund(charge.order_id, charge.id, amount) == allowed
        if allowed:
            self.expected[charge.order_id].refund_is_asked(amount)
        self._check_order(charge.order_id)

    @precondition(lambda self: any(observed.refunds for observed in self.observed.values()))
    @rule(n=index, succeeded=st.booleans())
    def gateway_reports_a_refund(self, n: int, succeeded: bool) -> None:
        """Reports a refund for the first time or repeatedly; a failed one may succeed later, unless it was requested
        again."""
        refunds = [(order_id, refund) for order_id, observed in self.observed.items() for refund in observed.refunds]
        self._report_refund(*_at(refunds, n), succeeded)

    # Events and parcels.

    @precondition(lambda self: any(self.to_inventory.values()))
    @rule(n=index)
    def inventory_handles_a_request(self, n: int) -> None:
        order_id = _at([each for each, waiting in self.to_inventory.items() if waiting], n)
        request = self.to_inventory[order_id].popleft()
        answers = self.pure_inventory.asked(request)
        self._check_answers(request, answers)
        for answer in answers:
            self._queue(answer)
        self._check_order(order_id)

    @precondition(lambda self: any(self.to_order.values()))
    @rule(n=index)
    def order_handles_an_answer(self, n: int) -> None:
        order_id = _at([each for each, waiting in self.to_order.items() if waiting], n)
        self._handle(self.to_order[order_id].popleft())

    @precondition(lambda self: self.parcel_events)
    @rule(n=index)
    def order_handles_a_parcel_event(self, n: int) -> None:
        self._handle(self.parcel_events.pop(n % len(self.parcel_events)))

    @precondition(lambda self: self.received)
    @rule(n=index)
    def event_is_redelivered(self, n: int) -> None:
        """Redelivers an event; one about a parcel also after its id was deleted from the inbox."""
        message = _at(self.received, n)
        order_id = UUID(message.event.key)
        before = self.observed[order_id]
        self.driver.deliver(message if isinstance(message.event, inventory.InventoryAnswer) else Message(message.event))
        self._check_order(order_id)
        assert self.observed[order_id] == before, "a duplicate event changes nothing"

    @precondition(lambda self: self.pure_inventory.reserved_orders())
    @rule(n=index)
    def reservation_expires(self, n: int) -> None:
        self._reservation_expires(_at(self.pure_inventory.reserved_orders(), n))

    @precondition(lambda self: self.pure_inventory.shipments)
    @rule(n=index, confirmed=st.booleans())
    def warehouse_dispatches(self, n: int, confirmed: bool) -> None:
        """A parcel of a refunded order is dispatched only if that is `confirmed`."""
        self._dispatch(_at(list(self.pure_inventory.shipments.values()), n), confirmed)

    @precondition(lambda self: self.pure_inventory.shipments)
    @rule(n=index)
    def carrier_delivers(self, n: int) -> None:
        self._deliver(_at(list(self.pure_inventory.shipments.values()), n))

    @precondition(lambda self: self.pure_inventory.shipments)
    @rule(n=index)
    def carrier_loses(self, n: int) -> None:
        shipment = _at(list(self.pure_inventory.shipments.values()), n)
        if lost := self.pure_inventory.loses(shipment):
            self.stock_model.holds[shipment.order_id].lost.add(shipment.id)
            self._queue(lost)
        self._check_order(shipment.order_id)

    @precondition(lambda self: self.pure_inventory.shipments)
    @rule(but=st.integers(0, 3))
    def deliver_all_parcels(self, but: int) -> None:
        """All parcels are dispatched and delivered; one may be dispatched only."""
        for n, shipment in enumerate(list(self.pure_inventory.shipments.values())):
            self._dispatch(shipment)
            if n != but:
                self._deliver(shipment)

    @precondition(lambda self: any(self.to_inventory.values()) or any(self.to_order.values()))
    @rule()
    def handle_all_events(self) -> None:
        """Handles all events, and those that they cause."""
        while any(self.to_inventory.values()) or any(self.to_order.values()) or self.parcel_events:
            if any(self.to_inventory.values()):
                self.inventory_handles_a_request(0)
            elif any(self.to_order.values()):
                self.order_handles_an_answer(0)
            else:
                self.order_handles_a_parcel_event(0)

    def teardown(self) -> None:
        """Completes everything: events, parcels and late money arrive; all events are repeated; refunds are made."""
        if sys.exc_info()[0] is not None:
            return
        self.handle_all_events()
        self.deliver_all_parcels(-1)
        self.handle_all_events()
        for order_id, order in self.expected.items():
            if order.status in REFUNDED_STATUSES:
                self.charge_without_a_payment(order_id, "half", True)
        for n in range(len(self.received)):
            self.event_is_redelivered(n)
        for order_id in self.expected:
            for refund in self.observed[order_id].refunds:
                if refund.state == "requested":
                    self._report_refund(order_id, refund, True)
            self._check_final_state(order_id)
        self.check_stock()

    def _check_final_state(self, order_id: UUID) -> None:
        order, hold = self.expected[order_id], self.stock_model.holds[order_id]
        assert order.status in FINAL_STATUSES | {"awaiting_payment", "delivered"}, "no order is stuck"
        assert not hold.held or order.status == "awaiting_payment", "only unpaid orders hold stock"
        if order.status in REFUNDED_STATUSES:
            assert order.captured - order.refund_made <= order.refunds_failed, "the order is refunded in full"
            assert hold.left == hold.lost, "no parcel was dispatched, or all were lost"
        elif order.status != "awaiting_payment":
            assert hold.left == hold.parcels.keys() != set(), "all parcels were dispatched"

    def _check_order(self, order_id: UUID) -> None:
        """Takes the requests of the order to inventory, and compares the observed state with the model."""
        self.to_inventory[order_id].extend(self.driver.requests(order_id))
        self.observed[order_id] = self.driver.observe(order_id)
        self.expected[order_id].holds(self.observed[order_id])

    def _report_charge(self, charge: Charge, succeeded: bool) -> None:
        before, is_relevant = self.observed[charge.order_id], succeeded and not charge.succeeded
        self.driver.charge_is(charge, succeeded=succeeded)
        charge.succeeded = succeeded or bool(charge.succeeded)
        if is_relevant:
            self.expected[charge.order_id].money_arrives(charge.amount)
        self._check_order(charge.order_id)
        assert is_relevant or self.observed[charge.order_id] == before, "only a first success changes an order"

    def _report_refund(self, order_id: UUID, refund: ObservedRefund, succeeded: bool) -> None:
        order = self.expected[order_id]
        charge = next(each for each in self.charges if each.id == refund.payment_id)
        if refund.state == "failed" and succeeded and self._left_of(charge) < refund.amount:
            return  # requested again meanwhile: no gateway refunds more than it captured
        self.driver.refund_is(order_id, refund, succeeded=succeeded)
        if succeeded and refund.state != "succeeded":
            order.refund_succeeds(refund.amount, after_all=refund.state == "failed")
        elif refund.state == "requested":
            order.refund_fails(refund.amount)
        self._check_order(order_id)

    def _left_of(self, charge: Charge) -> int:
        """The refundable amount of one payment."""
        refunds = [each for each in self.observed[charge.order_id].refunds if each.payment_id == charge.id]
        return charge.amount * bool(charge.succeeded) - sum(each.amount for each in refunds if each.state != "failed")

    def _place(self, first: int, second: int) -> UUID:
        lines = +Pieces(dict(zip(self.products, (first, second), strict=True)))
        order_id = self.driver.place(lines)
        self.expected[order_id] = ExpectedOrder(lines.total() * UNIT_PRICE)
        self.stock_model.holds[order_id] = Hold(lines)
        self._check_order(order_id)
        return order_id

    def _dispatch(self, shipment: Shipment, confirmed: bool = True) -> None:
        allowed = self.stock_model.may_leave(shipment.order_id, shipment.id, confirmed)
        dispatched = self.pure_inventory.dispatches(shipment, confirmed)
        assert (dispatched is not None) == allowed, "a released parcel is never dispatched, and none is twice"
        if dispatched is not None:
            self.stock_model.leaves(shipment.order_id, shipment.id)
            self._queue(dispatched)
        self._check_order(shipment.order_id)

    def _deliver(self, shipment: Shipment) -> None:
        if delivered := self.pure_inventory.delivers(shipment):
            self._queue(delivered)
        self._check_order(shipment.order_id)

    def _reservation_expires(self, order_id: UUID) -> None:
        self.stock_model.expire(order_id)
        for answer in self.pure_inventory.expires(order_id):
            self._queue(answer)
        self._check_order(order_id)

    def _check_answers(self, request: inventory.InventoryRequest, answers: Sequence[Event]) -> None:
        """Asserts that inventory's answer agrees with the stock of the model."""
        stock_model, order_id = self.stock_model, request.order_id
        made = {each.shipment_id: each for each in answers if isinstance(each, shipping.ShipmentCreated)}
        packed = bool(stock_model.holds[order_id].parcels)
        match request:
            case inventory.ReservationRequested():
                expected: str | None = stock_model.reserve(order_id)
            case inventory.ReleaseRequested():
                expected = stock_model.release(order_id)
            case inventory.FulfilmentRefunded(refunded=refunded):
                stock_model.holds[order_id].refunded = refunded
                assert not answers
                return
            case _:
                expected = stock_model.fulfil(order_id)
        assert [_name(each) for each in answers if not isinstance(each, shipping.ShipmentCreated)] == (
            [expected] if expected else []
        )
        if expected is None and not packed:
            stock_model.packed(order_id, {id: _contents(parcel) for id, parcel in made.items()})
        else:
            assert not made, "parcels are created once, and only from reserved stock"

    def _queue(self, event: Event) -> None:
        if isinstance(event, shipping.ShipmentEvent):
            self.parcel_events.append(Message(event))
        else:
            self.to_order[UUID(event.key)].append(Message(event))

    def _handle(self, message: Message) -> None:
        self.driver.deliver(message)
        self.received.append(message)
        order = self.expected[UUID(message.event.key)]
        match message.event:
            case inventory.ReservationAccepted():
                order.stock_is_reserved()
            case inventory.ReservationRejected():
                order.apply("stock is lacking")
            case inventory.ReservationReleased():
                order.apply("stock is released")
            case inventory.ReleaseRefused():
                order.release_is_refused()
            case shipping.ShipmentEvent(shipment_id=parcel, shipments_of_order=in_all):
                worth = sum(line.quantity for line in message.event.lines) * UNIT_PRICE
                order.parcel_is(parcel, _name(message.event).removeprefix("shipment."), in_all, worth)
                self._after_parcel_event(message.event)
        self._check_order(UUID(message.event.key))

    def _after_parcel_event(self, event: shipping.ShipmentEvent) -> None:
        """A hook for further consequences of an event about a parcel."""


def _at(things: Sequence[T], n: int) -> T:
    return things[n % len(things)]


def _name(event: Event) -> str:
    return event.type.removeprefix("mart.").removesuffix(".v1")


def _contents(parcel: shipping.ShipmentCreated) -> Pieces:
    pieces = Pieces()
    for line in parcel.lines:
        pieces[line.product_id] += line.quantity
    return pieces
