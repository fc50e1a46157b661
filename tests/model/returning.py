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
from tests.model.driver import UNIT_PRICE, Letter
from tests.model.machine import MOST_ORDERS, OrderLife, _one_of, which
from tests.model.promise import SeenReturn
from tests.model.stock import Pieces

DECISIONS = {
    "approve": ("approved", ["return.approved", "return.expected"]),
    "reject": ("rejected", ["return.refused"]),
    "withdraw": ("withdrawn", []),
}
GIVES_UP = ("rejected", "withdrawn", "closed")


@dataclass
class PromisedReturn:
    """A requested return, and its expected state."""

    order_id: UUID
    asked: Pieces
    state: str = "requested"
    came: Pieces = field(default_factory=Counter)
    given_back: int | None = None

    def holds(self) -> Pieces:
        """Pieces that no other return can contain."""
        if self.state in GIVES_UP:
            return Pieces()
        return self.came if self.state == "received" else self.asked


class GivingBack(OrderLife):
    """A received return is refunded once, up to the rest of the captured amount, and no piece is returned twice."""

    orders = OrderLife.orders

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.returns: dict[UUID, PromisedReturn] = {}

    @precondition(lambda self: len(self.promised) < MOST_ORDERS)
    @rule(target=orders, first=st.integers(1, 3))
    def buy(self, first: int) -> UUID:
        """Makes many orders delivered, if there is stock, so that they can be returned."""
        order_id = self._place(first, 0)
        self.post_is_quick()
        self.money_comes_unasked(order_id, "all", True)
        self.post_is_quick()
        self.carrier_is_quick(-1)
        self.post_is_quick()
        return order_id

    @rule(order_id=orders, first=st.integers(0, 2), second=st.integers(0, 2))
    def customer_asks(self, order_id: UUID, first: int, second: int) -> None:
        pieces = +Pieces(dict(zip(self.products, (first, second), strict=True)))
        if pieces:
            self._ask(order_id, pieces)

    @precondition(lambda self: self.returns)
    @rule(n=which, decision=st.sampled_from(sorted(DECISIONS)))
    def somebody_decides(self, n: int, decision: str) -> None:
        self._decide(_one_of(list(self.returns), n), decision)

    @precondition(lambda self: self.storehouse.returns)
    @rule(n=which, missing=st.booleans(), broken=st.integers(0, 1))
    def warehouse_receives(self, n: int, missing: bool, broken: int) -> None:
        """Receives all pieces or one less, and perhaps a broken one; also repeatedly, and with other contents."""
        self._receive(_one_of(list(self.storehouse.returns.values()), n), missing, broken)

    @precondition(lambda self: self.storehouse.returns)
    @rule(n=which)
    def warehouse_closes(self, n: int) -> None:
        """Closes a return that has not arrived; closing a received one changes nothing."""
        if closed := self.storehouse.closes(_one_of(list(self.storehouse.returns.values()), n)):
            self.of_parcels.append(Letter(closed))

    @precondition(lambda self: any(order.status in ("delivered", "completed") for order in self.promised.values()))
    @rule(n=which, missing=st.booleans())
    def everything_is_given_back(self, n: int, missing: bool) -> None:
        """Returns everything, so that orders reach the status `returned`."""
        there = [id for id, order in self.promised.items() if order.status in ("delivered", "completed")]
        order_id = _one_of(there, n)
        if pieces := self._left(order_id):
            self._ask(order_id, pieces)
        for return_id, back in list(self.returns.items()):
            if back.order_id == order_id and back.state == "requested":
                self._decide(return_id, "approve")
        self.post_is_quick()
        for received in list(self.storehouse.returns.values()):
            if received.order_id == order_id:
                self._receive(received, missing, 0)

    def _ask(self, order_id: UUID, pieces: Pieces) -> None:
        order = self.promised[order_id]
        here = order.status in ("partially_shipped", "shipped", "delivered")
        allowed = here and pieces <= self._left(order_id)
        return_id = self.driver.ask_return(order_id, pieces)
        assert (return_id is not None) == allowed
        if return_id is not None:
            self.returns[return_id] = PromisedReturn(order_id, pieces)
            order.published.append("return.requested")
        self._happened_to(order_id)

    def _decide(self, return_id: UUID, decision: str) -> None:
        back = self.returns[return_id]
        allowed = back.state == "requested"
        assert self.driver.decide_return(back.order_id, return_id, decision) == allowed
        if allowed:
            back.state, published = DECISIONS[decision]
            self.promised[back.order_id].published += published
        self._happened_to(back.order_id)

    def _receive(self, back: Return, missing: bool, broken: int) -> None:
        came, first = {}, True
        for product, count in self.returns[back.id].asked.items():
            there = count - (missing and first)
            came[product] = ReceivedQuantity(there - min(broken, there), min(broken, there))
            first = False
        if received := self.storehouse.receives(back, came):
            self.stock_model.on_hand.update({product: each.restocked for product, each in came.items()})
            self.of_parcels.append(Letter(received))

    def _left(self, order_id: UUID) -> Pieces:
        held = (back.holds() for back in self.returns.values() if back.order_id == order_id)
        return self._arrived(order_id) - sum(held, Pieces())

    def _arrived(self, order_id: UUID) -> Pieces:
        """By the events that the order has received."""
        order, hold = self.promised[order_id], self.stock_model.holds[order_id]
        there = (hold.parcels[parcel] for parcel, how_far in order.parcels.items() if how_far == "delivered")
        return sum(there, Pieces())

    def _assess(self, request: inventory.InventoryRequest, answers: list[Event]) -> None:  # type: ignore[override]
        if isinstance(request, inventory.ReturnExpected):
            assert not answers
            self.storehouse.expects(request)
        else:
            super()._assess(request, answers)

    def _hear(self, letter: Letter) -> None:
        if not isinstance(letter.event, (shipping.ReturnReceived, shipping.ReturnClosed)):
            super()._hear(letter)
            return
        self.driver.deliver(letter)
        self.received.append(letter)
        back, order = self.returns[letter.event.return_id], self.promised[letter.event.order_id]
        if isinstance(letter.event, shipping.ReturnClosed):
            back.state = "closed" if back.state == "approved" else back.state
        elif back.state == "approved":
            lines = letter.event.lines
            back.state = "received"
            back.came = +Pieces({line.product_id: line.restocked + line.scrapped for line in lines})
            back.given_back = min(back.came.total() * UNIT_PRICE, max(order.left(), 0))
            order.asked_back += back.given_back
            if order.status in ("delivered", "completed") and self._is_back(back.order_id):
                order.goes("everything came back")
        self._happened_to(back.order_id)

    def _is_back(self, order_id: UUID) -> bool:
        here = (back.came for back in self.returns.values() if back.order_id == order_id)
        back = sum(here, Pieces())
        return bool(back) and back == self._arrived(order_id)

    def _parcel_was(self, event: shipping.ShipmentEvent) -> None:
        """All delivered pieces were returned before the rest was lost."""
        order = self.promised[event.order_id]
        if isinstance(event, shipping.ShipmentLost) and order.status == "delivered" and self._is_back(event.order_id):
            order.goes("everything came back")

    def _happened_to(self, order_id: UUID) -> None:
        super()._happened_to(order_id)
        seen = {each.id: each for each in self.seen[order_id].returns}
        promised = {id: back for id, back in self.returns.items() if back.order_id == order_id}
        assert seen.keys() == promised.keys()
        for id, back in promised.items():
            assert (_state(seen[id]), seen[id].given_back) == (back.state, back.given_back)


def _state(seen: SeenReturn) -> str:
    """A received return and a refunded one are the same state here: refunds are observed separately."""
    return "received" if seen.state == "refunded" else seen.state
