"""The interface of the two drivers: the pure rules, and the running API."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

from contracts.events.base import Event
from contracts.events.inventory_deduction import InventoryRequest
from service_kit.ids import uuid7
from tests.model.expected import Charge, Observed, ObservedRefund

UNIT_PRICE = 500


@dataclass(frozen=True, slots=True)
class Message:
    """An event in transit; a consumer recognises duplicates by its id."""

    event: Event
    id: UUID = field(default_factory=uuid7)


class Opened(NamedTuple):
    payment_id: UUID
    amount: int


class Driver(Protocol):
    """The inputs of the order service, and its observable state."""

    def product(self) -> UUID:
        """Creates a product that costs UNIT_PRICE."""

    def place(self, lines: Counter[UUID]) -> UUID: ...

    def cancel(self, order_id: UUID, *, by_staff: bool) -> bool:
        """False: the cancellation is rejected."""

    def deliver(self, message: Message) -> None: ...

    def pay_by_passes(self, order_id: UUID) -> None: ...

    def return_window_ends(self, order_id: UUID) -> None: ...

    def open_payment(self, order_id: UUID) -> Opened | None:
        """Opens a payment of the outstanding amount; None: rejected."""

    def charge_is(self, charge: Charge, *, succeeded: bool) -> None:
        """The gateway reports the result of a charge, which may have no payment here."""

    def ask_refund(self, order_id: UUID, payment_id: UUID, amount: int) -> bool:
        """Staff request a refund. False: rejected."""

    def refund_is(self, order_id: UUID, refund: ObservedRefund, *, succeeded: bool) -> None:
        """The gateway reports the result of a refund."""

    def ask_return(self, order_id: UUID, pieces: Counter[UUID]) -> UUID | None:
        """The customer requests a return. None: rejected."""

    def decide_return(self, order_id: UUID, return_id: UUID, decision: str) -> bool:
        """`approve` or `reject` by staff, `withdraw` by the customer. False: not allowed in this state."""

    def observe(self, order_id: UUID) -> Observed: ...

    def requests(self, order_id: UUID) -> list[InventoryRequest]:
        """The requests of the order to inventory since the last call."""
