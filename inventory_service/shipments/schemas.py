"""Request and response bodies about shipments."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from contracts.address import Address
from contracts.events.inventory_deduction import ShippingMethod
from contracts.quantity import LineQuantity
from inventory_service.shipments.models import Shipment, ShipmentStatus
from service_kit.http.problem_responses import ProblemOut
from service_kit.problems import Problem
from service_kit.schemas import RequestBody, RowOut
from service_kit.text import Printable, Trimmed

ShortText = Annotated[str, Trimmed(100), Printable]


TrackingUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s<>\"]+$", max_length=500)]


class CorrectionIn(RequestBody, json_schema_extra={"example": {"tracking_number": "RM123456789GB"}}):
    """An absent field is not changed. With a new carrier or number, the carrier's template gives the `tracking_url`."""

    carrier: ShortText | None = None
    tracking_number: ShortText | None = None
    tracking_url: TrackingUrl | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not self.model_fields_set or all(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("give what is to be corrected")
        return self


class CorrectionOut(BaseModel):
    """The values before a correction."""

    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    corrected_by: UUID
    corrected_at: datetime


class DispatchIn(
    RequestBody, json_schema_extra={"example": {"carrier": "Royal Mail", "tracking_number": "RM123456789GB"}}
):
    carrier: ShortText
    tracking_number: ShortText
    tracking_url: TrackingUrl | None = Field(
        default=None, description="the page for tracking it; absent: from the carrier's template, if there is one"
    )
    confirm_refunded: bool = Field(
        default=False, description="true: dispatch it although its order has been refunded in full"
    )


class ParcelIn(
    DispatchIn,
    json_schema_extra={
        "example": {
            "shipment_id": "01980ac8-6f2b-7cc3-98c2-7d0a4b1c2d3e",
            "carrier": "Royal Mail",
            "tracking_number": "RM123456789GB",
        }
    },
):
    shipment_id: UUID


class CollectionIn(RequestBody):
    """The parcels that a carrier collected."""

    parcels: list[ParcelIn] = Field(min_length=1, max_length=100)


class ShipmentOut(RowOut):
    id: UUID
    order_id: UUID
    number: str = Field(description="the number of the order")
    customer_id: UUID
    warehouse_id: UUID
    status: ShipmentStatus
    shipments_of_order: int = Field(description="the number of all shipments of the order")
    lines: list[LineQuantity] = Field(description="lines of the order, never merged")
    ship_to: Address
    shipping: ShippingMethod | None = Field(description="the method that the customer chose; null: none was offered")
    refunded: bool = Field(description="its order has been refunded in full: it should not be dispatched")
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    corrections: list[CorrectionOut] = Field(description="the oldest first")
    version: int
    created_at: datetime
    dispatched_at: datetime | None
    delivered_at: datetime | None
    lost_at: datetime | None


class ShipmentSummary(ShipmentOut):
    """A shipment in a list. `GET /shipments/{id}` has all its lines."""

    line_count: int = Field(description="the number of its lines")
    lines: list[LineQuantity] = Field(description="its first five lines, in the sequence of the order")


class ParcelOut(BaseModel):
    """A dispatched parcel, or the problem because of which it was not dispatched."""

    shipment_id: UUID
    status: ShipmentStatus | None = Field(description="the present status; null: it was not dispatched")
    problem: ProblemOut | None

    @classmethod
    def of(cls, shipment_id: UUID, found: Shipment | Problem) -> "ParcelOut":
        if isinstance(found, Problem):
            return cls(shipment_id=shipment_id, status=None, problem=ProblemOut(**found.body()))
        return cls(shipment_id=shipment_id, status=ShipmentStatus(found.status), problem=None)


class CollectionOut(BaseModel):
    items: list[ParcelOut] = Field(description="in the sequence of the request")
