"""Bodies of requests and answers about shipments."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.address import Address
from contracts.quantity import ProductQuantity
from inventory_service.shipments.models import Shipment, ShipmentStatus

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class DispatchIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"carrier": "Royal Mail", "tracking_number": "RM123456789GB"}}
    )

    carrier: Words
    tracking_number: Words


class ShipmentOut(BaseModel):
    id: UUID
    order_id: UUID
    number: str = Field(description="the order's")
    user_id: UUID = Field(description="the customer")
    warehouse_id: UUID
    status: ShipmentStatus
    shipments_of_order: int = Field(description="how many the order has in all")
    lines: list[ProductQuantity] = Field(description="as they stand in the order, never merged")
    ship_to: Address
    carrier: str | None
    tracking_number: str | None
    version: int
    created_at: datetime
    dispatched_at: datetime | None
    delivered_at: datetime | None

    @classmethod
    def of(cls, shipment: Shipment) -> "ShipmentOut":
        return cls.model_validate(shipment, from_attributes=True)
