"""Returns: goods of an order that the customer sends back, and the quantities that arrived."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from inventory_service.base import Base
from service_kit.clock import utcnow
from service_kit.problems import Problem


class ReturnStatus(StrEnum):
    """`closed`: it did not arrive, and is no longer expected."""

    EXPECTED = "expected"
    RECEIVED = "received"
    CLOSED = "closed"


class ReturnReceivedOtherwise(Problem, status=409, type="return-received-otherwise"):
    """This return has been received, in another warehouse or with other quantities."""


class NothingCame(Problem, status=409, type="nothing-came"):
    """Nothing came of this return: close it if it is not awaited any more."""


class ReturnEnded(Problem, status=409, type="return-ended"):
    """This return is {return_status}: only one that is expected can be received or closed."""


class MoreThanExpected(Problem, status=409, type="more-than-expected"):
    """Of the products in `lines` fewer are expected: what else is in the parcel is nobody's return."""


class ReceivedQuantity(NamedTuple):
    """How many pieces of a product arrived that can be sold again, and how many that are scrapped."""

    restocked: int
    scrapped: int


class Return(Base, table=True):
    """Goods that the order service expects back from a customer, one line for each product. A warehouse receives them
    once, completely or in part."""

    __tablename__ = "returns"
    __table_args__ = (
        CheckConstraint("status IN ('expected', 'received', 'closed')", name="status"),
        Index("ix_returns_status_id", "status", "id"),
        Index("ix_returns_customer_id_id", "customer_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(index=True)
    customer_id: UUID
    number: str
    status: str = ReturnStatus.EXPECTED
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    warehouse_id: UUID | None = Field(default=None, foreign_key="warehouses.id", index=True)
    received_by: UUID | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    received_at: datetime | None = None
    closed_by: UUID | None = None
    closed_at: datetime | None = None

    def close(self, by: UUID, now: datetime) -> bool:
        """Closes a return that did not arrive. Returns False if it is closed already. Raises: ReturnEnded."""
        if self.status == ReturnStatus.CLOSED:
            return False
        if self.status != ReturnStatus.EXPECTED:
            raise ReturnEnded(return_status=self.status)
        self.status, self.closed_by, self.closed_at = ReturnStatus.CLOSED, by, now
        self.version += 1
        return True

    def receive(
        self, warehouse_id: UUID, received_quantities: Mapping[UUID, ReceivedQuantity], by: UUID, now: datetime
    ) -> bool:
        """Sets the quantities that arrived, which are 0 for products that are not named. Returns False if the same ones
        were set before, as when a request is repeated because its response was lost.

        Raises: NothingCame, ReturnReceivedOtherwise, ReturnEnded, MoreThanExpected.
        """
        arrived = {id: each for id, each in received_quantities.items() if any(each)}
        if self.status == ReturnStatus.RECEIVED:
            if (self.warehouse_id, self.received_quantities()) != (warehouse_id, arrived):
                raise ReturnReceivedOtherwise
            return False
        if self.status != ReturnStatus.EXPECTED:
            raise ReturnEnded(return_status=self.status)
        if not arrived:
            raise NothingCame
        if unexpected := list(self._unexpected(arrived)):
            raise MoreThanExpected(lines=unexpected)
        nothing = ReceivedQuantity(0, 0)
        self.lines = [{**line, **arrived.get(UUID(line["product_id"]), nothing)._asdict()} for line in self.lines]
        self.status, self.warehouse_id = ReturnStatus.RECEIVED, warehouse_id
        self.received_by, self.received_at = by, now
        self.version += 1
        return True

    def received_quantities(self) -> dict[UUID, ReceivedQuantity]:
        """The products of which anything arrived."""
        found = {
            UUID(line["product_id"]): ReceivedQuantity(line.get("restocked", 0), line.get("scrapped", 0))
            for line in self.lines
        }
        return {product_id: each for product_id, each in found.items() if any(each)}

    def _unexpected(self, arrived: Mapping[UUID, ReceivedQuantity]) -> Iterator[dict[str, Any]]:
        expected = {UUID(line["product_id"]): line["quantity"] for line in self.lines}
        for product_id, each in arrived.items():
            if sum(each) > (most := expected.get(product_id, 0)):
                yield {"product_id": str(product_id), "expected": most, "came": sum(each)}
