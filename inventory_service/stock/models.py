"""Stock by product and warehouse, its batches, the ledger of its movements, and receipts of goods."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field

from contracts.money import Money
from inventory_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class BelowReserved(Problem, status=409, type="below-reserved"):
    """There are {on_hand} on hand, and {reserved} of them are promised to orders: {quantity} can't be booked."""


class StockExpired(Problem, status=409, type="stock-expired"):
    """Of the products in `lines` too little is left there that has not expired: book fresh stock in, or refund the
    order, which cancels it as long as none of its parcels has left."""


class BatchTooSmall(Problem, status=409, type="batch-too-small"):
    """There are {pieces} pieces of that there: {quantity} can't be booked. Pieces that have expired are booked by their
    `expires_on`, all others without."""


class MovementKind(StrEnum):
    RECEIPT = "receipt"
    ADJUSTMENT = "adjustment"
    DISPATCH = "dispatch"
    RETURN = "return"


STOCK_CHANGED = "stock-changed"
"""The signal that there are levels to publish."""


class StockLevel(Base, table=True):
    """How many pieces of a product a warehouse has.

    Every writer locks these rows in the order of (product_id, warehouse_id), and with each change increments `version`
    and sets `to_publish`. The version of a product's published level is the sum over its warehouses, so rows are never
    deleted.

    `dated` is the sum of its batches, `expired` the sum of those that had expired when the row was last refreshed, and
    `next_expiry` is no later than the day on which the next batch expires. A dispatch takes pieces from batches that
    have not expired, and pieces without a date: so the constraint `dated <= on_hand` keeps expired ones from dispatch.
    """

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("reserved <= on_hand", name="reserved_is_there"),
        CheckConstraint("dated <= on_hand", name="dated_is_there"),
        CheckConstraint("expired BETWEEN 0 AND dated", name="expired_is_dated"),
        Index("ix_stock_warehouse_id_product_id", "warehouse_id", "product_id"),
        Index("ix_stock_to_publish", "product_id", postgresql_where=text("to_publish")),
        Index("ix_stock_next_expiry", "next_expiry", postgresql_where=text("next_expiry IS NOT NULL")),
        # Free space in each page, so that a changed row stays in its page and no index must be changed (a HOT update).
        {"postgresql_with": {"fillfactor": 70}},
    )

    product_id: UUID = Field(primary_key=True)
    warehouse_id: UUID = Field(primary_key=True, foreign_key="warehouses.id")
    on_hand: int = Field(sa_type=BigInteger)
    reserved: int = Field(default=0, sa_type=BigInteger)
    version: int = Field(default=0, sa_type=BigInteger)
    to_publish: bool = True
    published_at: datetime | None = None
    dated: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    expired: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    next_expiry: date | None = None

    @property
    def available(self) -> int:
        return max(0, self.on_hand - self.expired - self.reserved)

    @property
    def short(self) -> int:
        """The number of reserved pieces that have expired."""
        return max(0, self.reserved - (self.on_hand - self.expired))

    def adjust(self, quantity: int, *, of_expired: bool) -> None:
        """Adds `quantity` pieces, or removes them if negative, of expired ones or of others. Raises: BelowReserved."""
        there = self.on_hand if of_expired else self.on_hand - self.expired
        if quantity < 0 and there + quantity < self.reserved:
            raise BelowReserved(on_hand=there, reserved=self.reserved, quantity=quantity)
        self.on_hand += quantity


class StockBatch(Base, table=True):
    """Pieces of a product in a warehouse that expire on the same day: from that day (UTC) on they are not available.

    A batch is changed only while its row of `stock` is locked. Pieces that do not expire have no batch.
    """

    __tablename__ = "stock_batches"
    __table_args__ = (CheckConstraint("quantity >= 0", name="quantity_not_negative"),)

    product_id: UUID = Field(primary_key=True)
    warehouse_id: UUID = Field(primary_key=True)
    expires_on: date = Field(primary_key=True)
    batch: str = Field(default="", primary_key=True, description="the supplier's batch number; empty: none")
    quantity: int = Field(sa_type=BigInteger)


def take_first_expired(batches: Sequence[StockBatch], pieces: int, today: date) -> None:
    """Takes pieces from unexpired batches: first expired, first out. If they are too few, the rest has no batch."""
    for batch in sorted(batches, key=lambda each: (each.expires_on, each.batch)):
        if batch.expires_on > today:
            taken = min(pieces, batch.quantity)
            batch.quantity -= taken
            pieces -= taken


class StockMovement(Base, table=True):
    """One line of the ledger. A trigger ensures that lines are only added; their sums are the stock on hand."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        CheckConstraint("quantity <> 0", name="moves_something"),
        CheckConstraint("kind IN ('receipt', 'adjustment', 'dispatch', 'return')", name="kind"),
        Index("ix_stock_movements_product_id_id", "product_id", "id"),
        Index("ix_stock_movements_warehouse_id_id", "warehouse_id", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    product_id: UUID
    warehouse_id: UUID
    kind: str
    quantity: int = Field(sa_type=BigInteger)
    reason: str | None = None
    batch: str | None = None
    expires_on: date | None = None
    receipt_id: UUID | None = None
    shipment_id: UUID | None = None
    return_id: UUID | None = None
    order_id: UUID | None = None
    booked_by: UUID
    created_at: datetime = Field(default_factory=utcnow)


class StockReceipt(Base, table=True):
    """Goods that arrived together."""

    __tablename__ = "stock_receipts"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    warehouse_id: UUID = Field(foreign_key="warehouses.id", index=True)
    supplier_id: UUID | None = Field(default=None, foreign_key="suppliers.id", index=True)
    booked_by: UUID
    created_at: datetime = Field(default_factory=utcnow)


class StockReceiptLine(Base, table=True):
    __tablename__ = "stock_receipt_lines"

    receipt_id: UUID = Field(primary_key=True, foreign_key="stock_receipts.id")
    position: int = Field(primary_key=True)
    product_id: UUID
    quantity: int = Field(sa_type=BigInteger)
    unit_cost: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = None
    batch: str | None = None
    expires_on: date | None = None

    @property
    def cost(self) -> Money | None:
        """The cost of one piece."""
        if self.unit_cost is None or self.currency is None:
            return None
        return Money(amount=self.unit_cost, currency=self.currency)
