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
from tests.model.driver import UNIT_PRICE, Driver, Letter
from tests.model.promise import ENDS, WANTS_NO_MONEY, Charge, PromisedOrder, Seen, SeenRefund
from tests.model.stock import Hold, Pieces, Stock
from tests.model.storehouse import Storehouse

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
which = st.integers(min_value=0, max_value=255)
"""An index into the existing objects."""


class OrderLife(RuleBasedStateMachine):
    """Events between inventory and the order service keep their sequence only within a topic and an order.

    Events about parcels arrive in any sequence, as after a discarded dead letter.
    """

    orders: Bundle[UUID] = Bundle("orders")

    def __init__(self, driver: Driver, on_step: Callable[[set[str]], None]) -> None:
        """`on_step` is called with the present statuses after each step."""
        super().__init__()
        self.driver = driver
        self.on_step = on_step
        self.promised: dict[UUID, PromisedOrder] = {}
        self.seen: dict[UUID, Seen] = {}
        self.charges: list[Charge] = []
        self.to_inventory: dict[UUID, deque[inventory.InventoryRequest]] = defaultdict(deque)
        self.to_order: dict[UUID, deque[Letter]] = defaultdict(deque)
        self.of_parcels: list[Letter] = []
        self.received: list[Letter] = []

    @initialize()
    def stock_is_there(self) -> None:
        self.products = [self.driver.product() for _ in STOCK]
        warehouses = [uuid7() for _ in STOCK[0]]
        stock = dict(zip(self.products, STOCK, strict=True))
        self.storehouse = Storehouse({each: dict(zip(warehouses, stock[each], strict=True)) for each in stock})
        self.stock_model = Stock(Pieces({each: sum(stock[each]) for each in stock}))

    @invariant()
    def stock_adds_up(self) -> None:
        self.on_step({order.status for order in self.promised.values()})
        self.stock_model.match(self.storehouse.levels())

    # The customer, staff and the clock.

    @precondition(lambda self: len(self.promised) < MOST_ORDERS)
    @rule(target=orders, first=st.integers(1, 3), second=st.integers(0, 2))
    def place(self, first: int, second: int) -> UUID:
        return self._place(first, second)

    @precondition(lambda self: len(self.promised) < MOST_ORDERS)
    @rule(target=orders, first=st.integers(1, 3), in_time=st.booleans())
    def place_and_pay(self, first: int, in_time: bool) -> UUID:
        """Makes many orders ready for dispatch; the reservation of some has expired, so that they need another."""
        order_id = self._place(first, 0)
        self.post_is_quick()
        if not in_time and order_id in self.storehouse.reserved_orders():
            self._reservation_expires(order_id)
        self.money_comes_unasked(order_id, "all", True)
        return order_id

    @rule(order_id=orders, by_staff=st.booleans())
    def cancel(self, order_id: UUID, by_staff: bool) -> None:
        order = self.promised[order_id]
        assert self.driver.cancel(order_id, by_staff=by_staff) == order.can_be_called_off()
        order.goes("cancelled")
        self._happened_to(order_id)

    @rule(order_id=orders)
    def time_passes(self, order_id: UUID) -> None:
        """The time limit for the payment, or the return window, passes."""
        self.driver.pay_by_passes(order_id)
        self.promised[order_id].goes("not paid in time")
        self._happened_to(order_id)
        self.driver.return_window_ends(order_id)
        self.promised[order_id].goes("the return window is over")
        self._happened_to(order_id)

    # Money.

    @rule(order_id=orders)
    def open_payment(self, order_id: UUID) -> None:
        order = self.promised[order_id]
        under_way = any(each.order_id == order_id and each.succeeded is None for each in self.charges)
        opened = self.driver.open_payment(order_id)
        if order.status == "awaiting_payment" and not under_way:
            assert opened is not None
            assert opened.amount == order.total - order.left()
            self.charges.append(Charge(opened.payment_id, order_id, opened.amount))
        else:
            assert opened is None
        self._happened_to(order_id)

    @rule(order_id=orders, part=share, succeeded=st.booleans())
    def money_comes_unasked(self, order_id: UUID, part: str, succeeded: bool) -> None:
        """A charge without a payment, partial, full or too high, in any status of the order; or it fails."""
        self.charges.append(Charge(uuid4(), order_id, SHARES[part](self.promised[order_id].total)))
        self._gateway_says(self.charges[-1], succeeded)

    @precondition(lambda self: self.charges)
    @rule(n=which, succeeded=st.booleans())
    def gateway_speaks_of_a_charge(self, n: int, succeeded: bool) -> None:
        """Reports a charge for the first time, repeatedly, or with another result: only a late success changes
        anything."""
        self._gateway_says(_one_of(self.charges, n), succeeded)

    @precondition(lambda self: self.charges)
    @rule(n=which, part=share)
    def staff_refund(self, n: int, part: str) -> None:
        charge = _one_of(self.charges, n)
        amount = SHARES[part](charge.amount)
        allowed = 0 < amount <= self._left_of(charge)
        assert self.driver.ask_refund(charge.order_id, charge.id, amount) == allowed
        if allowed:
            self.promised[charge.order_id].refund_is_asked(amount)
        self._happened_to(charge.order_id)

    @precondition(lambda self: any(seen.refunds for seen in self.seen.values()))
    @rule(n=which, succeeded=st.booleans())
    def gateway_speaks_of_a_refund(self, n: int, succeeded: bool) -> None:
        """Reports a refund for the first time or repeatedly; a failed one may succeed later, unless it was requested
        again."""
        refunds = [(order_id, refund) for order_id, seen in self.seen.items() for refund in seen.refunds]
        self._refund_is(*_one_of(refunds, n), succeeded)

    # Events and parcels.

    @precondition(lambda self: any(self.to_inventory.values()))
    @rule(n=which)
    def inventory_hears(self, n: int) -> None:
        order_id = _one_of([each for each, waiting in self.to_inventory.items() if waiting], n)
        request = self.to_inventory[order_id].popleft()
        answers = self.storehouse.asked(request)
        self._assess(request, answers)
        for answer in answers:
            self._post(answer)
        self._happened_to(order_id)

    @precondition(lambda self: any(self.to_order.values()))
    @rule(n=which)
    def order_hears(self, n: int) -> None:
        order_id = _one_of([each for each, waiting in self.to_order.items() if waiting], n)
        self._hear(self.to_order[order_id].popleft())

    @precondition(lambda self: self.of_parcels)
    @rule(n=which)
    def order_hears_of_a_parcel(self, n: int) -> None:
        self._hear(self.of_parcels.pop(n % len(self.of_parcels)))

    @precondition(lambda self: self.received)
    @rule(n=which)
    def order_hears_again(self, n: int) -> None:
        """Redelivers an event; one about a parcel also after its id was deleted from the inbox."""
        letter = _one_of(self.received, n)
        order_id = UUID(letter.event.key)
        before = self.seen[order_id]
        self.driver.deliver(letter if isinstance(letter.event, inventory.InventoryAnswer) else Letter(letter.event))
        self._happened_to(order_id)
        assert self.seen[order_id] == before, "what was heard before changes nothing"

    @precondition(lambda self: self.storehouse.reserved_orders())
    @rule(n=which)
    def reservation_expires(self, n: int) -> None:
        self._reservation_expires(_one_of(self.storehouse.reserved_orders(), n))

    @precondition(lambda self: self.storehouse.shipments)
    @rule(n=which, confirmed=st.booleans())
    def warehouse_dispatches(self, n: int, confirmed: bool) -> None:
        """A parcel of a refunded order is dispatched only if that is `confirmed`."""
        self._dispatch(_one_of(list(self.storehouse.shipments.values()), n), confirmed)

    @precondition(lambda self: self.storehouse.shipments)
    @rule(n=which)
    def carrier_delivers(self, n: int) -> None:
        self._deliver(_one_of(list(self.storehouse.shipments.values()), n))

    @precondition(lambda self: self.storehouse.shipments)
    @rule(n=which)
    def carrier_loses(self, n: int) -> None:
        shipment = _one_of(list(self.storehouse.shipments.values()), n)
        if lost := self.storehouse.loses(shipment):
            self.stock_model.holds[shipment.order_id].lost.add(shipment.id)
            self._post(lost)
        self._happened_to(shipment.order_id)

    @precondition(lambda self: self.storehouse.shipments)
    @rule(but=st.integers(0, 3))
    def carrier_is_quick(self, but: int) -> None:
        """All parcels are dispatched and delivered; one may be dispatched only."""
        for n, shipment in enumerate(list(self.storehouse.shipments.values())):
            self._dispatch(shipment)
            if n != but:
                self._deliver(shipment)

    @precondition(lambda self: any(self.to_inventory.values()) or any(self.to_order.values()))
    @rule()
    def post_is_quick(self) -> None:
        """Handles all events, and those that they cause."""
        while any(self.to_inventory.values()) or any(self.to_order.values()) or self.of_parcels:
            if any(self.to_inventory.values()):
                self.inventory_hears(0)
            elif any(self.to_order.values()):
                self.order_hears(0)
            else:
                self.order_hears_of_a_parcel(0)

    def teardown(self) -> None:
        """Completes everything: events, parcels and late money arrive; all events are repeated; refunds are made."""
        if sys.exc_info()[0] is not None:
            return
        self.post_is_quick()
        self.carrier_is_quick(-1)
        self.post_is_quick()
        for order_id, order in self.promised.items():
            if order.status in WANTS_NO_MONEY:
                self.money_comes_unasked(order_id, "half", True)
        for n in range(len(self.received)):
            self.order_hears_again(n)
        for order_id in self.promised:
            for refund in self.seen[order_id].refunds:
                if refund.state == "requested":
                    self._refund_is(order_id, refund, True)
            self._is_settled(order_id)
        self.stock_adds_up()

    def _is_settled(self, order_id: UUID) -> None:
        order, hold = self.promised[order_id], self.stock_model.holds[order_id]
        assert order.status in ENDS | {"awaiting_payment", "delivered"}, "no order stuck"
        assert not hold.held or order.status == "awaiting_payment", "nothing is held that nobody waits for"
        if order.status in WANTS_NO_MONEY:
            assert order.captured - order.given_back <= order.kept_by_failure, "all of the money is back"
            assert hold.left == hold.lost, "nothing was sent, or all of it was lost"
        elif order.status != "awaiting_payment":
            assert hold.left == hold.parcels.keys() != set(), "all of it was sent"

    def _happened_to(self, order_id: UUID) -> None:
        """Takes the requests of the order to inventory, and compares the observed state with the model."""
        self.to_inventory[order_id].extend(self.driver.requests(order_id))
        self.seen[order_id] = self.driver.look(order_id)
        self.promised[order_id].holds(self.seen[order_id])

    def _gateway_says(self, charge: Charge, succeeded: bool) -> None:
        before, is_relevant = self.seen[charge.order_id], succeeded and not charge.succeeded
        self.driver.charge_is(charge, succeeded=succeeded)
        charge.succeeded = succeeded or bool(charge.succeeded)
        if is_relevant:
            self.promised[charge.order_id].money_arrives(charge.amount)
        self._happened_to(charge.order_id)
        assert is_relevant or self.seen[charge.order_id] == before, "only money is news to an order, and only once"

    def _refund_is(self, order_id: UUID, refund: SeenRefund, succeeded: bool) -> None:
        order = self.promised[order_id]
        charge = next(each for each in self.charges if each.id == refund.payment_id)
        if refund.state == "failed" and succeeded and self._left_of(charge) < refund.amount:
            return  # requested again meanwhile: no gateway refunds more than it captured
        self.driver.refund_is(order_id, refund, succeeded=succeeded)
        if succeeded and refund.state != "succeeded":
            order.refund_succeeds(refund.amount, after_all=refund.state == "failed")
        elif refund.state == "requested":
            order.refund_fails(refund.amount)
        self._happened_to(order_id)

    def _left_of(self, charge: Charge) -> int:
        """The refundable amount of one payment."""
        refunds = [each for each in self.seen[charge.order_id].refunds if each.payment_id == charge.id]
        return charge.amount * bool(charge.succeeded) - sum(each.amount for each in refunds if each.state != "failed")

    def _place(self, first: int, second: int) -> UUID:
        lines = +Pieces(dict(zip(self.products, (first, second), strict=True)))
        order_id = self.driver.place(lines)
        self.promised[order_id] = PromisedOrder(lines.total() * UNIT_PRICE)
        self.stock_model.holds[order_id] = Hold(lines)
        self._happened_to(order_id)
        return order_id

    def _dispatch(self, shipment: Shipment, confirmed: bool = True) -> None:
        allowed = self.stock_model.may_leave(shipment.order_id, shipment.id, confirmed)
        dispatched = self.storehouse.dispatches(shipment, confirmed)
        assert (dispatched is not None) == allowed, "what was released never leaves, and nothing leaves twice"
        if dispatched is not None:
            self.stock_model.leaves(shipment.order_id, shipment.id)
            self._post(dispatched)
        self._happened_to(shipment.order_id)

    def _deliver(self, shipment: Shipment) -> None:
        if delivered := self.storehouse.delivers(shipment):
            self._post(delivered)
        self._happened_to(shipment.order_id)

    def _reservation_expires(self, order_id: UUID) -> None:
        self.stock_model.expire(order_id)
        for answer in self.storehouse.expires(order_id):
            self._post(answer)
        self._happened_to(order_id)

    def _assess(self, request: inventory.InventoryRequest, answers: Sequence[Event]) -> None:
        """Inventory's answer agrees with the stock of the model."""
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
            assert not made, "parcels are made once, and of what is reserved"

    def _post(self, event: Event) -> None:
        if isinstance(event, shipping.ShipmentEvent):
            self.of_parcels.append(Letter(event))
        else:
            self.to_order[UUID(event.key)].append(Letter(event))

    def _hear(self, letter: Letter) -> None:
        self.driver.deliver(letter)
        self.received.append(letter)
        order = self.promised[UUID(letter.event.key)]
        match letter.event:
            case inventory.ReservationAccepted():
                order.stock_is_reserved()
            case inventory.ReservationRejected():
                order.goes("stock is lacking")
            case inventory.ReservationReleased():
                order.goes("stock is released")
            case inventory.ReleaseRefused():
                order.release_is_refused()
            case shipping.ShipmentEvent(shipment_id=parcel, shipments_of_order=in_all):
                worth = sum(line.quantity for line in letter.event.lines) * UNIT_PRICE
                order.parcel_is(parcel, _name(letter.event).removeprefix("shipment."), in_all, worth)
                self._parcel_was(letter.event)
        self._happened_to(UUID(letter.event.key))

    def _parcel_was(self, event: shipping.ShipmentEvent) -> None:
        """A hook for further consequences of an event about a parcel."""


def _one_of(things: Sequence[T], n: int) -> T:
    return things[n % len(things)]


def _name(event: Event) -> str:
    return event.type.removeprefix("mart.").removesuffix(".v1")


def _contents(parcel: shipping.ShipmentCreated) -> Pieces:
    pieces = Pieces()
    for line in parcel.lines:
        pieces[line.product_id] += line.quantity
    return pieces
