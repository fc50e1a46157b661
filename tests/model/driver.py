"""What drives an order: either the pure rules, or the running API."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

from contracts.events.base import Event
from contracts.events.inventory_deduction import InventoryRequest
from service_kit.ids import uuid7
from tests.model.promise import Charge, Seen, SeenRefund

UNIT_PRICE = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """An event on its way; by its id a consumer knows that it has had it."""

    event: Event
    id: UUID = field(default_factory=uuid7)


class Opened(NamedTuple):
    payment_id: UUID
    amount: int


class Driver(Protocol):
    """What others say to the order service, and what can be seen of it."""

    def product(self) -> UUID:
        """One that costs UNIT_PRICE."""

    def place(self, lines: Counter[UUID]) -> UUID: ...

    def cancel(self, order_id: UUID, *, by_staff: bool) -> bool:
        """False: rejected."""

    def deliver(self, letter: Letter) -> None: ...

    def pay_by_passes(self, order_id: UUID) -> None: ...

    def return_window_ends(self, order_id: UUID) -> None: ...

    def open_payment(self, order_id: UUID) -> Opened | None:
        """Of all that the order still wants; None: rejected."""

    def charge_is(self, charge: Charge, *, succeeded: bool) -> None:
        """The gateway says what became of a charge; of one that nobody here opened, too."""

    def ask_refund(self, order_id: UUID, payment_id: UUID, amount: int) -> bool:
        """By staff. False: rejected."""

    def refund_is(self, order_id: UUID, refund: SeenRefund, *, succeeded: bool) -> None:
        """The gateway says what became of a refund."""

    def ask_return(self, order_id: UUID, pieces: Counter[UUID]) -> UUID | None:
        """By the customer. None: rejected."""

    def decide_return(self, order_id: UUID, return_id: UUID, decision: str) -> bool:
        """`approve` or `reject` by staff, `withdraw` by the customer. False: it doesn't fit."""

    def look(self, order_id: UUID) -> Seen: ...

    def requests(self, order_id: UUID) -> list[InventoryRequest]:
        """What the order asked of inventory since the last time."""
