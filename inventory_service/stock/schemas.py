"""Request and response bodies about stock."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator, model_validator

from contracts.money import Money
from inventory_service.catalogue.models import Product
from inventory_service.stock.models import MovementKind, StockBatch, StockLevel, StockReceipt, StockReceiptLine
from service_kit.money import MoneyIn
from service_kit.schemas import RequestBody, RowOut
from service_kit.text import Printable, Trimmed

MAX_LINES = 5_000
MAX_QUANTITY = 1_000_000_000
MAX_AMOUNT = 10**12
PRODUCT = "0199c1a0-5b00-7a10-8c00-000000000002"
WAREHOUSE = "0199c1a0-5b00-7a10-8c00-000000000004"
RECEIPT_EXAMPLE: dict[str, Any] = {
    "warehouse_id": WAREHOUSE,
    "supplier_id": "0199c1a0-5b00-7a10-8c00-000000000009",
    "lines": [
        {
            "product_id": PRODUCT,
            "quantity": 120,
            "unit_cost": {"amount": 140, "currency": "GBP"},
            "batch": "B-2210",
            "expires_on": "2027-06-30",
        }
    ],
}
ADJUSTMENT_EXAMPLE: dict[str, Any] = {
    "product_id": PRODUCT,
    "warehouse_id": WAREHOUSE,
    "quantity": -2,
    "reason": "broken in the aisle",
}


BatchName = Annotated[str, Trimmed(100), Printable]


class UnitCost(MoneyIn):
    amount: int = Field(ge=0, le=MAX_AMOUNT, description="in the currency's minor unit")


class ReceiptLineIn(RequestBody):
    product_id: UUID
    quantity: int = Field(gt=0, le=MAX_QUANTITY)
    unit_cost: UnitCost | None = Field(default=None, description="the purchase price of one piece")
    batch: BatchName | None = None
    expires_on: date | None = Field(default=None, description="not available from this day (UTC) on")

    def columns(self) -> dict[str, Any]:
        cost = self.unit_cost
        return {**self.model_dump(), "unit_cost": cost and cost.amount, "currency": cost and cost.currency}


class ReceiptIn(RequestBody, json_schema_extra={"example": RECEIPT_EXAMPLE}):
    warehouse_id: UUID
    supplier_id: UUID | None = None
    lines: list[ReceiptLineIn] = Field(min_length=1, max_length=MAX_LINES)


class ReceiptLineOut(RowOut):
    product_id: UUID
    quantity: int
    unit_cost: Money | None
    batch: str | None
    expires_on: date | None


class ReceiptSummary(RowOut):
    id: UUID
    warehouse_id: UUID
    supplier_id: UUID | None
    booked_by: UUID = Field(description="the staff member or API client")
    created_at: datetime


class ReceiptOut(ReceiptSummary):
    lines: list[ReceiptLineOut]

    @classmethod
    def with_lines(cls, receipt: StockReceipt, lines: Sequence[StockReceiptLine]) -> Self:
        return cls.of(receipt, lines=[ReceiptLineOut.of(line, unit_cost=line.cost) for line in lines])


class AdjustmentIn(RequestBody, json_schema_extra={"example": ADJUSTMENT_EXAMPLE}):
    product_id: UUID
    warehouse_id: UUID
    quantity: int = Field(ge=-MAX_QUANTITY, le=MAX_QUANTITY, description="pieces found (+) or lost (-)")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    expires_on: date | None = Field(default=None, description="their expiry date; absent: those not expired")
    batch: BatchName | None = Field(default=None, description="the name of their batch, if it has one")

    @model_validator(mode="after")
    def _batch_has_a_day(self) -> Self:
        if self.batch is not None and self.expires_on is None:
            raise ValueError("a batch needs its expires_on too")
        return self

    @field_validator("quantity")
    @classmethod
    def _moves_something(cls, quantity: int) -> int:
        if quantity == 0:
            raise ValueError("0 changes nothing")
        return quantity


class MovementOut(RowOut):
    id: UUID
    product_id: UUID
    warehouse_id: UUID
    kind: MovementKind
    quantity: int = Field(description="pieces that came in (+) or went out (-)")
    reason: str | None
    batch: str | None = Field(description="the batch that was adjusted")
    expires_on: date | None
    receipt_id: UUID | None
    shipment_id: UUID | None
    return_id: UUID | None
    order_id: UUID | None
    booked_by: UUID = Field(description="the staff member or API client")
    created_at: datetime


class StockOut(RowOut):
    product_id: UUID
    sku: str | None = Field(description="from the catalogue")
    name: str | None
    warehouse_id: UUID
    on_hand: int = Field(description="all pieces in the warehouse")
    reserved: int = Field(description="pieces on hand that are reserved for orders")
    expired: int = Field(description="pieces on hand that have expired and should be scrapped")
    available: int = Field(description="pieces that can be sold: neither reserved nor expired")
    short: int = Field(description="pieces that were reserved before they expired: they can't be dispatched")

    @classmethod
    def named(cls, level: StockLevel, product: Product | None) -> Self:
        names = {"sku": product and product.sku, "name": product and product.name}
        return cls.of(level, available=level.available, short=level.short, **names)


class BatchOut(RowOut):
    product_id: UUID
    warehouse_id: UUID
    expires_on: date
    batch: str | None
    quantity: int = Field(description="pieces that are left")
    expired: bool = Field(description="whether `expires_on` (UTC) has come")

    @classmethod
    def as_of(cls, today: date, batch: StockBatch) -> Self:
        return cls.of(batch, batch=batch.batch or None, expired=batch.expires_on <= today)
