"""Request and response bodies about returns."""

from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from inventory_service.returns.models import ReceivedQuantity, ReturnStatus
from inventory_service.stock.schemas import MAX_LINES, MAX_QUANTITY, PRODUCT, WAREHOUSE
from service_kit.schemas import RequestBody, RowOut

EXAMPLE: dict[str, Any] = {
    "warehouse_id": WAREHOUSE,
    "lines": [{"product_id": PRODUCT, "restock": 1, "scrap": 1}],
}


class ReceivedLineIn(RequestBody):
    product_id: UUID
    restock: int = Field(default=0, ge=0, le=MAX_QUANTITY, description="pieces that are put back into stock")
    expires_on: date | None = Field(default=None, description="of the restocked pieces; absent: they do not expire")
    scrap: int = Field(default=0, ge=0, le=MAX_QUANTITY, description="pieces that can't be sold again")


class ReceiveIn(RequestBody, json_schema_extra={"example": EXAMPLE}):
    """A product that is not listed did not arrive. If no product arrived, close the return instead."""

    warehouse_id: UUID
    lines: list[ReceivedLineIn] = Field(min_length=1, max_length=MAX_LINES)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if len({line.product_id for line in self.lines}) < len(self.lines):
            raise ValueError("each product may be named once")
        return self

    def dates(self) -> dict[UUID, date]:
        """The expiry dates of restocked pieces by product, without those that do not expire."""
        return {line.product_id: line.expires_on for line in self.lines if line.expires_on is not None}

    def received_quantities(self) -> dict[UUID, ReceivedQuantity]:
        return {line.product_id: ReceivedQuantity(line.restock, line.scrap) for line in self.lines}


class ReturnLineOut(BaseModel):
    product_id: UUID
    quantity: int = Field(description="pieces that are expected")
    restocked: int | None = Field(default=None, description="pieces put back into stock; null: not received")
    scrapped: int | None = None


class ReturnOut(RowOut):
    id: UUID
    order_id: UUID
    customer_id: UUID
    number: str = Field(description="the number of the order")
    status: ReturnStatus
    lines: list[ReturnLineOut]
    warehouse_id: UUID | None = Field(description="the warehouse that received it")
    received_by: UUID | None
    version: int
    created_at: datetime
    received_at: datetime | None
    closed_by: UUID | None = Field(description="null: it was closed automatically, or is not closed")
    closed_at: datetime | None


class ReturnSummary(ReturnOut):
    """A return in a list. `GET /returns/{id}` has all its lines."""

    line_count: int = Field(description="the number of its lines")
    lines: list[ReturnLineOut] = Field(description="its first five lines")
