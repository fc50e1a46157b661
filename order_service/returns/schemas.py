"""Bodies of requests and responses about returns."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.money import Money
from order_service.base import MAX_LINES, MAX_QUANTITY
from order_service.returns.models import Return, ReturnStatus, Wanted
from service_kit.schemas import RequestBody

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class ReturnLineIn(RequestBody):
    line: int | None = Field(default=None, ge=1, le=MAX_LINES, description="of the order, counted from 1")
    product_id: UUID | None = Field(default=None, description="enough if only one line has it")
    quantity: int = Field(ge=1, le=MAX_QUANTITY)

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.line is None and self.product_id is None:
            raise ValueError("name the line, or the product")
        return self


class ReturnIn(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "lines": [{"line": 1, "quantity": 1}],
                "reason": "too small",
            }
        },
    )

    lines: list[ReturnLineIn] = Field(min_length=1, max_length=MAX_LINES)
    reason: Reason

    def wanted(self) -> list[Wanted]:
        return [Wanted(line.line, line.product_id, line.quantity) for line in self.lines]


class RejectionIn(RequestBody):
    model_config = ConfigDict(json_schema_extra={"example": {"reason": "worn"}})

    reason: Reason = Field(description="for the customer")
    note: Reason | None = Field(default=None, description="for staff alone, in the order's history")


class ReturnLineOut(BaseModel):
    line: int = Field(description="of the order, counted from 1")
    product_id: UUID
    sku: str
    name: str
    quantity: int
    received: int | None = Field(description="how many a warehouse received; null before")
    unit_price: Money


class ReturnOut(BaseModel):
    id: UUID
    order_id: UUID
    customer_id: UUID
    status: ReturnStatus
    lines: list[ReturnLineOut] = Field(description="parts of the order's lines, at the prices that were paid")
    reason: str | None = Field(description="null after the account was erased")
    rejection_reason: str | None = Field(description="why staff rejected it")
    refund: Money | None = Field(description="refunded automatically when the goods are received")
    created_at: datetime
    decided_at: datetime | None
    received_at: datetime | None
    closed_at: datetime | None = Field(description="when it was closed, since the goods never arrived")

    @classmethod
    def of(cls, found: Return) -> Self:
        money = None if found.to_refund is None else Money(amount=found.to_refund, currency=found.currency)
        fields = found.model_dump(exclude={"lines", "currency", "worth", "to_refund", "decided_by"})
        return cls(**fields, lines=[_line(line, found.currency) for line in found.lines], refund=money)


class ReturnSummary(ReturnOut):
    """A return in a list. `GET /returns/{id}` has all its lines."""

    line_count: int = Field(description="how many lines it has")
    lines: list[ReturnLineOut] = Field(description="the first five, at the prices that were paid")

    @classmethod
    def shortened(cls, found: Return, line_count: int) -> Self:
        return cls(**dict(ReturnOut.of(found)), line_count=line_count)


def _line(line: dict[str, Any], currency: str) -> ReturnLineOut:
    price = Money(amount=line["unit_price"], currency=currency)
    return ReturnLineOut(**{"received": None, **line, "line": line["position"], "unit_price": price})
