"""Returns and their rules, without access to a database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from order_service.pricing.shares import paid_for, price_per_piece
from order_service.returns.parcels import dearest_first
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class ReturnStatus(StrEnum):
    """`closed`: the goods never arrived. `received`: a warehouse has them; `refunded`: their refunds have succeeded, or
    nothing was left to refund."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    RECEIVED = "received"
    REFUNDED = "refunded"
    CLOSED = "closed"


S = ReturnStatus

COMES_AFTER: Mapping[ReturnStatus, ReturnStatus] = {
    S.APPROVED: S.REQUESTED,
    S.REJECTED: S.REQUESTED,
    S.WITHDRAWN: S.REQUESTED,
    S.RECEIVED: S.APPROVED,
    S.REFUNDED: S.RECEIVED,
    S.CLOSED: S.APPROVED,
}
"""All transitions: the status that a return must have to get this one."""

IS_BACK = frozenset({S.RECEIVED, S.REFUNDED})
CANCELLED = frozenset({S.REJECTED, S.WITHDRAWN, S.CLOSED})


class ReturnDecided(Problem, status=409, type="return-decided"):
    """The return is {return_status}: only one that is requested can be approved, rejected or withdrawn."""


class ReturnWindowOver(Problem, status=409, type="return-window-over"):
    """The pieces of this order could be returned until {until}."""


class MoreThanReturnable(Problem, status=409, type="more-than-returnable"):
    """Of what is in `lines` fewer pieces can be returned than requested: the rest was never ordered, has not arrived,
    or comes back already."""


class LineAmbiguous(Problem, status=409, type="return-line-ambiguous"):
    """A product stands in several lines of this order, at different prices: name the `line`, one of `lines`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Pieces to return, of one line (by its position) or of a product that stands in one line only."""

    line: int | None
    product_id: UUID | None
    quantity: int


class Return(Base, table=True):
    """Pieces of an order that its customer returns. `lines` are parts of the order's lines, with their unit prices.

    It is changed under the order's lock. `worth` is the price of the received pieces, `to_refund` the part of it that
    staff had not refunded before. The reasons are deleted when the customer's account is erased.
    """

    __tablename__ = "returns"
    __table_args__ = (
        CheckConstraint(
            "status IN ('requested', 'approved', 'rejected', 'withdrawn', 'received', 'refunded', 'closed')",
            name="status",
        ),
        Index("ix_returns_order_id_id", "order_id", "id"),
        Index("ix_returns_status_id", "status", "id"),
        Index("ix_returns_user_id", "customer_id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id")
    customer_id: UUID
    status: str = ReturnStatus.REQUESTED
    currency: str
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    reason: str | None = None
    rejection_reason: str | None = None
    decided_by: UUID | None = None
    worth: int | None = Field(default=None, sa_type=BigInteger)
    to_refund: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=utcnow)
    decided_at: datetime | None = None
    received_at: datetime | None = None
    closed_at: datetime | None = None

    def becomes(self, status: ReturnStatus) -> bool:
        """False if its present status does not allow the transition."""
        if self.status != COMES_AFTER[status]:
            return False
        self.status = status
        return True

    def decide(self, status: ReturnStatus, by: UUID, now: datetime, rejection_reason: str | None = None) -> None:
        """Staff approve or reject it, or its customer withdraws it. Raises: ReturnDecided."""
        if not self.becomes(status):
            raise ReturnDecided(return_status=self.status)
        self.decided_by, self.decided_at, self.rejection_reason = by, now, rejection_reason

    def receive(self, came: Mapping[UUID, int], order: "Returnable", now: datetime) -> bool:
        """Records the received pieces of each product (`came`), at most the approved ones. False: it was received
        before, or was not approved.

        A warehouse can't tell the lines of one product apart: the dearest are taken to have arrived, in the customer's
        favour. `order` must not contain the pieces received now.
        """
        if self.status != COMES_AFTER[ReturnStatus.RECEIVED]:
            return False
        left, approved = Counter(came), self.holds()
        pieces: Counter[int] = Counter()
        for line in dearest_first(line for line in order.lines if approved[line.position]):
            pieces[line.position] = min(approved[line.position], left[line.product_id])
            left[line.product_id] -= pieces[line.position]
        self.worth = order.worth(pieces, self.currency)
        self.becomes(ReturnStatus.RECEIVED)
        self.lines = [{**line, "received": pieces[line["position"]]} for line in self.lines]
        self.received_at = now
        return True

    def close(self, now: datetime) -> bool:
        """Nothing arrived, and nothing is expected any longer. False: it was closed before, or was not approved."""
        if not self.becomes(ReturnStatus.CLOSED):
            return False
        self.closed_at = now
        return True

    def refund(self, amount: int) -> None:
        """Records the amount to refund; if there is nothing to refund, the return is done."""
        self.to_refund = amount
        if not amount:
            self.becomes(ReturnStatus.REFUNDED)

    def pieces(self) -> Counter[UUID]:
        """How many pieces of each product are to be returned."""
        found: Counter[UUID] = Counter()
        for line in self.lines:
            found[UUID(line["product_id"])] += line["quantity"]
        return found

    def holds(self) -> Counter[int]:
        """How many pieces of each line of the order are being returned, or were."""
        if self.status in CANCELLED:
            return Counter()
        what = "received" if self.status in IS_BACK else "quantity"
        return Counter({line["position"]: line[what] for line in self.lines})


@dataclass(frozen=True, slots=True)
class Returnable:
    """An order's lines and all its returns; complete, and unchanging while the order is locked.

    `arrived`: how many pieces of each line have arrived (None: all); `lost`: how many are lost.
    """

    lines: Sequence[Any]
    returns: Sequence[Return]
    arrived: Mapping[int, int] | None = None
    lost: Mapping[int, int] = field(default_factory=dict)

    def take(self, wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
        """The parts of the order's lines that are returned, by position. Raises: MoreThanReturnable, LineAmbiguous."""
        left, taken = self._left(), Counter[int]()
        short: list[dict[str, Any]] = []
        for each in self._by_line(wanted):
            lines = [line for line in self.lines if each.line in (None, line.position)]
            lines = [line for line in lines if each.product_id in (None, line.product_id) and left[line.position]]
            there = sum(left[line.position] for line in lines)
            if there < each.quantity:
                short.append(_short(each, there))
                continue
            if each.quantity < there and len({price_per_piece(line) for line in lines}) > 1:
                raise LineAmbiguous(lines=[_named(line, left[line.position]) for line in lines])
            missing = each.quantity
            for line in lines:
                pieces = min(missing, left[line.position])
                left[line.position] -= pieces
                taken[line.position] += pieces
                missing -= pieces
        if short:
            raise MoreThanReturnable(lines=short)
        return [_part(line, taken[line.position]) for line in self.lines if taken[line.position]]

    def back(self) -> Counter[int]:
        """The pieces of each line that a warehouse has received."""
        return sum((each.holds() for each in self.returns if each.status in IS_BACK), Counter[int]())

    def gone(self) -> Counter[int]:
        """The pieces of each line that were refunded, since they were returned or lost."""
        return self.back() + Counter(self.lost)

    def worth(self, pieces: Mapping[int, int], currency: str) -> int:
        """What was paid for more pieces of each line than are `gone`, in the minor unit of `currency`."""
        return paid_for(self.lines, pieces, self.gone(), currency)

    def refunded_pieces(self, pieces: Mapping[int, int]) -> list[dict[str, int]]:
        """What a refund of these pieces stores of them (`Refund.pieces`): which pieces of each line they are."""
        gone = self.gone()
        found = [(line.position, gone[line.position], pieces.get(line.position, 0)) for line in self.lines]
        return [{"position": at, "before": before, "quantity": count} for at, before, count in found if count]

    def all_returned(self) -> bool:
        """Whether at least one piece was returned, and all others were returned or lost."""
        gone = self.gone()
        return bool(+self.back()) and all(gone[line.position] == line.quantity for line in self.lines)

    def _left(self) -> Counter[int]:
        held = sum((each.holds() for each in self.returns), Counter[int]())
        here = {line.position: line.quantity for line in self.lines} if self.arrived is None else self.arrived
        return Counter({line.position: max(0, here.get(line.position, 0) - held[line.position]) for line in self.lines})

    def _by_line(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Sums up the pieces of each line and product; those that name a line come first."""
        pieces: Counter[tuple[int | None, UUID | None]] = Counter()
        for each in sorted(wanted, key=lambda each: each.line is None):
            pieces[each.line, each.product_id] += each.quantity
        return [Wanted(line, product_id, quantity) for (line, product_id), quantity in pieces.items()]


def _short(wanted: Wanted, returnable: int) -> dict[str, Any]:
    named = {"line": wanted.line, "product_id": wanted.product_id and str(wanted.product_id)}
    known = {name: value for name, value in named.items() if value is not None}
    return {**known, "requested": wanted.quantity, "returnable": returnable}


def _named(line: Any, returnable: int) -> dict[str, Any]:
    return {"line": line.position, "product_id": str(line.product_id), "returnable": returnable}


def _part(line: Any, quantity: int) -> dict[str, Any]:
    copied = {name: getattr(line, name) for name in ("position", "sku", "name", "unit_price")}
    return {**copied, "product_id": str(line.product_id), "quantity": quantity}
