"""Stock by product and warehouse, the ledger whose sums it is, and receipts of goods."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field

from inventory_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class BelowReserved(Problem, status=409, type="below-reserved"):
    """There are {on_hand} on hand, and {reserved} of them are promised to orders: {quantity} can't be booked."""


class MovementKind(StrEnum):
    RECEIPT = "receipt"
    ADJUSTMENT = "adjustment"
    DISPATCH = "dispatch"
    RETURN = "return"


class StockLevel(Base, table=True):
    """How much of a product lies in a warehouse.

    Every writer locks these rows in the order of (product_id, warehouse_id), and with each change lets `version` grow
    and sets `to_publish`. A product's version, as the others see it, is the sum over its warehouses; rows never go.
    """

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("reserved <= on_hand", name="reserved_is_there"),
        Index("ix_stock_warehouse_id_product_id", "warehouse_id", "product_id"),
        Index("ix_stock_to_publish", "product_id", postgresql_where=text("to_publish")),
        # Room in each page, so that a changed row stays in it and no index needs to know.
        {"postgresql_with": {"fillfactor": 70}},
    )

    product_id: UUID = Field(primary_key=True)
    warehouse_id: UUID = Field(primary_key=True, foreign_key="warehouses.id")
    on_hand: int = Field(sa_type=BigInteger)
    reserved: int = Field(default=0, sa_type=BigInteger)
    version: int = Field(default=0, sa_type=BigInteger)
    to_publish: bool = True
    published_at: datetime | None = None

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def adjust(self, quantity: int) -> None:
        """Books `quantity` more or less. Raises: BelowReserved."""
        if self.on_hand + quantity < self.reserved:
            raise BelowReserved(on_hand=self.on_hand, reserved=self.reserved, quantity=quantity)
        self.on_hand += quantity
        self.version += 1
        self.to_publish = True


class StockMovement(Base, table=True):
    """One line of the ledger. Lines are added, never changed (a trigger holds it): their sums are the stock on hand."""

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
    receipt_id: UUID | None = None
    shipment_id: UUID | None = None
    return_id: UUID | None = None
    order_id: UUID | None = None
    user_id: UUID
    created_at: datetime = Field(default_factory=utcnow)


class StockReceipt(Base, table=True):
    """Goods that came in together."""

    __tablename__ = "stock_receipts"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    warehouse_id: UUID = Field(foreign_key="warehouses.id", index=True)
    supplier_id: UUID | None = Field(default=None, foreign_key="suppliers.id", index=True)
    user_id: UUID
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
