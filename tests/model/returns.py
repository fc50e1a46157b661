"""Returns: the state machine with requests of customers, decisions of staff, and receipts in a warehouse."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from contracts.events import inventory_deduction as inventory
from contracts.events import shipment_notification as shipping
from contracts.events.base import Event
from inventory_service.returns.models import ReceivedQuantity, Return
from tests.model.driver import UNIT_PRICE, Message
from tests.model.expected import ObservedReturn
from tests.model.machine import MOST_ORDERS, OrderMachine, _at, index
from tests.model.stock import Pieces

DECISIONS = {
    "approve": ("approved", ["return.approved", "return.expected"]),
    "reject": ("rejected", ["return.refused"]),
    "withdraw": ("withdrawn", []),
}
RELEASING = ("rejected", "withdrawn", "closed")


@dataclass
class ExpectedReturn:
    """A requested return, and its expected state."""

    order_id: UUID
    asked: Pieces
    state: str = "requested"
    came: Pieces = field(default_factory=Counter)
    refund_made: int | None = None

    def holds(self) -> Pieces:
        """Pieces that no other return can contain."""
        if self.state in RELEASING:
            return Pieces()
        return self.came if self.state == "received" else self.asked


class ReturnMachine(OrderMachine):
    """A received return is refunded once, up to the rest of the captured amount, and no piece is returned twice."""

    orders = OrderMachine.orders

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.returns: dict[UUID, ExpectedReturn] = {}

    @precondition(lambda self: len(self.expected) < MOST_ORDERS)
    @rule(target=orders, first=st.integers(1, 3))
    def buy(self, first: int) -> UUID:
        """Makes many orders delivered, if there is stock, so that they can be returned."""
        order_id = self._place(first, 0)
        self.handle_all_events()
        self.charge_without_a_payment(order_id, "all", True)
        self.handle_all_events()
        self.deliver_all_parcels(-1)
        self.handle_all_events()
        return order_id

    @rule(order_id=orders, first=st.integers(0, 2), second=st.integers(0, 2))
    def customer_requests_a_return(self, order_id: UUID, first: int, second: int) -> None:
        pieces = +Pieces(dict(zip(self.products, (first, second), strict=True)))
        if pieces:
            self._ask(order_id, pieces)

    @precondition(lambda self: self.returns)
    @rule(n=index, decision=st.sampled_from(sorted(DECISIONS)))
    def decide_a_return(self, n: int, decision: str) -> None:
        self._decide(_at(list(self.returns), n), decision)

    @precondition(lambda self: self.pure_inventory.returns)
    @rule(n=index, missing=st.booleans(), broken=st.integers(0, 1))
    def warehouse_receives(self, n: int, missing: bool, broken: int) -> None:
        """Receives all pieces or one less, and perhaps a broken one; also repeatedly, and with other contents."""
        self._receive(_at(list(self.pure_inventory.returns.values()), n), missing, broken)

    @precondition(lambda self: self.pure_inventory.returns)
    @rule(n=index)
    def warehouse_closes(self, n: int) -> None:
        """Closes a return that has not arrived; closing a received one changes nothing."""
        if closed := self.pure_inventory.closes(_at(list(self.pure_inventory.returns.values()), n)):
            self.parcel_events.append(Message(closed))

    @precondition(lambda self: any(order.status in ("delivered", "completed") for order in self.expected.values()))
    @rule(n=index, missing=st.booleans())
    def return_everything(self, n: int, missing: bool) -> None:
        """Returns everything, so that orders reach the status `returned`."""
        there = [id for id, order in self.expected.items() if order.status in ("delivered", "completed")]
        order_id = _at(there, n)
        if pieces := self._left(order_id):
            self._ask(order_id, pieces)
        for return_id, back in list(self.returns.items()):
            if back.order_id == order_id and back.state == "requested":
                self._decide(return_id, "approve")
        self.handle_all_events()
        for received in list(self.pure_inventory.returns.values()):
            if received.order_id == order_id:
                self._receive(received, missing, 0)

    def _ask(self, order_id: UUID, pieces: Pieces) -> None:
        order = self.expected[order_id]
        here = order.status in ("partially_shipped", "shipped", "delivered")
        allowed = here and pieces <= self._left(order_id)
        return_id = self.driver.ask_return(order_id, pieces)
        assert (return_id is not None) == allowed
        if return_id is not None:
            self.returns[return_id] = ExpectedReturn(order_id, pieces)
            order.published.append("return.requested")
        self._check_order(order_id)

    def _decide(self, return_id: UUID, decision: str) -> None:
        back = self.returns[return_id]
        allowed = back.state == "requested"
        assert self.driver.decide_return(back.order_id, return_id, decision) == allowed
        if allowed:
            back.state, published = DECISIONS[decision]
            self.expected[back.order_id].published += published
        self._check_order(back.order_id)

    def _receive(self, back: Return, missing: bool, broken: int) -> None:
        came, first = {}, True
        for product, count in self.returns[back.id].asked.items():
            there = count - (missing and first)
            came[product] = ReceivedQuantity(there - min(broken, there), min(broken, there))
            first = False
        if received := self.pure_inventory.receives(back, came):
            self.stock_model.on_hand.update({product: each.restocked for product, each in came.items()})
            self.parcel_events.append(Message(received))

    def _left(self, order_id: UUID) -> Pieces:
        held = (back.holds() for back in self.returns.values() if back.order_id == order_id)
        return self._arrived(order_id) - sum(held, Pieces())

    def _arrived(self, order_id: UUID) -> Pieces:
        """The delivered pieces, by the events that the order has received."""
        order, hold = self.expected[order_id], self.stock_model.holds[order_id]
        there = (hold.parcels[parcel] for parcel, how_far in order.parcels.items() if how_far == "delivered")
        return sum(there, Pieces())

    def _check_answers(self, request: inventory.InventoryRequest, answers: list[Event]) -> None:  # type: ignore[override]
        if isinstance(request, inventory.ReturnExpected):
            assert not answers
            self.pure_inventory.expects(request)
        else:
            super()._check_answers(request, answers)

    def _handle(self, message: Message) -> None:
        if not isinstance(message.event, (shipping.ReturnReceived, shipping.ReturnClosed)):
            super()._handle(message)
            return
        self.driver.deliver(message)
        self.received.append(message)
        back, order = self.returns[message.event.return_id], self.expected[message.event.order_id]
        if isinstance(message.event, shipping.ReturnClosed):
            back.state = "closed" if back.state == "approved" else back.state
        elif back.state == "approved":
            lines = message.event.lines
            back.state = "received"
            back.came = +Pieces({line.product_id: line.restocked + line.scrapped for line in lines})
            back.refund_made = min(back.came.total() * UNIT_PRICE, max(order.left(), 0))
            order.refunds_requested += back.refund_made
            if order.status in ("delivered", "completed") and self._is_back(back.order_id):
                order.apply("everything came back")
        self._check_order(back.order_id)

    def _is_back(self, order_id: UUID) -> bool:
        here = (back.came for back in self.returns.values() if back.order_id == order_id)
        back = sum(here, Pieces())
        return bool(back) and back == self._arrived(order_id)

    def _after_parcel_event(self, event: shipping.ShipmentEvent) -> None:
        """All delivered pieces were returned before the rest was lost."""
        order = self.expected[event.order_id]
        if isinstance(event, shipping.ShipmentLost) and order.status == "delivered" and self._is_back(event.order_id):
            order.apply("everything came back")

    def _check_order(self, order_id: UUID) -> None:
        super()._check_order(order_id)
        observed = {each.id: each for each in self.observed[order_id].returns}
        expected = {id: back for id, back in self.returns.items() if back.order_id == order_id}
        assert observed.keys() == expected.keys()
        for id, back in expected.items():
            assert (_state(observed[id]), observed[id].refund_made) == (back.state, back.refund_made)


def _state(observed: ObservedReturn) -> str:
    """A received return and a refunded one are the same state here: refunds are observed separately."""
    return "received" if observed.state == "refunded" else observed.state
