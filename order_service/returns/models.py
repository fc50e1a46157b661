"""Returns, and the rules that hold on them: nothing here asks a database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class ReturnStatus(StrEnum):
    """`received`: a warehouse has the goods; `refunded`: all that goes back for them has gone, or nothing was left."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    RECEIVED = "received"
    REFUNDED = "refunded"


S = ReturnStatus

COMES_AFTER: Mapping[ReturnStatus, ReturnStatus] = {
    S.APPROVED: S.REQUESTED,
    S.REFUSED: S.REQUESTED,
    S.WITHDRAWN: S.REQUESTED,
    S.RECEIVED: S.APPROVED,
    S.REFUNDED: S.RECEIVED,
}
"""The whole life of a return: what it must be to become this."""

IS_BACK = frozenset({S.RECEIVED, S.REFUNDED})
CALLED_OFF = frozenset({S.REFUSED, S.WITHDRAWN})


class ReturnDecided(Problem, status=409, type="return-decided"):
    """The return is {return_status} by now: only one that is requested can be approved, refused or withdrawn."""


class ReturnWindowOver(Problem, status=409, type="return-window-over"):
    """What this order brought could be given back until {until}."""


class MoreThanReturnable(Problem, status=409, type="more-than-returnable"):
    """Of the products in `lines` less is left to give back than was asked for: the rest was never ordered, or comes
    back already."""


class Return(Base, table=True):
    """Pieces of an order that its customer gives back. `lines` are parts of the order's, with the prices paid.

    Whoever changes it holds the order's row. `worth` is what the received pieces have cost, `to_refund` as much of it
    as staff had not given back before. The reasons go when the customer's account is erased.
    """

    __tablename__ = "returns"
    __table_args__ = (
        CheckConstraint(
            "status IN ('requested', 'approved', 'refused', 'withdrawn', 'received', 'refunded')", name="status"
        ),
        Index("ix_returns_order_id_id", "order_id", "id"),
        Index("ix_returns_status_id", "status", "id"),
        Index("ix_returns_user_id", "user_id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id")
    user_id: UUID
    status: str = ReturnStatus.REQUESTED
    currency: str
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    reason: str | None = None
    refusal: str | None = None
    decided_by: UUID | None = None
    worth: int | None = Field(default=None, sa_type=BigInteger)
    to_refund: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=utcnow)
    decided_at: datetime | None = None
    received_at: datetime | None = None

    def becomes(self, status: ReturnStatus) -> bool:
        """False where that doesn't fit: it is further by now, or has ended otherwise."""
        if self.status != COMES_AFTER[status]:
            return False
        self.status = status
        return True

    def decide(self, status: ReturnStatus, by: UUID, now: datetime, refusal: str | None = None) -> None:
        """Approved or refused by staff, or withdrawn by its customer. Raises: ReturnDecided."""
        if not self.becomes(status):
            raise ReturnDecided(return_status=self.status)
        self.decided_by, self.decided_at, self.refusal = by, now, refusal

    def receive(self, came: Mapping[UUID, int], now: datetime) -> bool:
        """Notes what came of each product, never more than was approved. False: that is known, or was not awaited."""
        if not self.becomes(ReturnStatus.RECEIVED):
            return False
        left = Counter(came)
        received = []
        for line in self.lines:
            pieces = min(line["quantity"], left[UUID(line["product_id"])])
            left[UUID(line["product_id"])] -= pieces
            received.append({**line, "received": pieces})
        self.lines, self.received_at = received, now
        self.worth = sum(line["received"] * line["unit_price"] for line in received)
        return True

    def refund(self, amount: int) -> None:
        """So much goes back; where that is nothing, it is done."""
        self.to_refund = amount
        if not amount:
            self.becomes(ReturnStatus.REFUNDED)

    def pieces(self) -> Counter[UUID]:
        """What was asked to be taken back of each product."""
        found: Counter[UUID] = Counter()
        for line in self.lines:
            found[UUID(line["product_id"])] += line["quantity"]
        return found

    def holds(self) -> Counter[int]:
        """How much of each line of the order comes back, or has."""
        if self.status in CALLED_OFF:
            return Counter()
        what = "received" if self.status in IS_BACK else "quantity"
        return Counter({line["position"]: line[what] for line in self.lines})


@dataclass(frozen=True, slots=True)
class Returnable:
    """An order's lines and all its returns; complete and unchanging while the order's row is held."""

    lines: Sequence[Any]
    returns: Sequence[Return]

    def take(self, wanted: Mapping[UUID, int]) -> list[dict[str, Any]]:
        """So many pieces of each product, from the order's lines in their order. Raises: MoreThanReturnable."""
        held = sum((each.holds() for each in self.returns), Counter[int]())
        missing, taken = Counter(wanted), []
        for line in self.lines:
            quantity = min(missing[line.product_id], line.quantity - held[line.position])
            if quantity > 0:
                missing[line.product_id] -= quantity
                taken.append(_part(line, quantity))
        if short := +missing:
            raise MoreThanReturnable(
                lines=[
                    {"product_id": str(id), "requested": wanted[id], "returnable": wanted[id] - quantity}
                    for id, quantity in short.items()
                ]
            )
        return taken

    def all_is_back(self) -> bool:
        back = sum((each.holds() for each in self.returns if each.status in IS_BACK), Counter[int]())
        return all(back[line.position] == line.quantity for line in self.lines)


def _part(line: Any, quantity: int) -> dict[str, Any]:
    return {
        "position": line.position,
        "product_id": str(line.product_id),
        "sku": line.sku,
        "name": line.name,
        "quantity": quantity,
        "unit_price": line.unit_price,
    }
