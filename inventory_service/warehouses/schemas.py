"""Bodies of requests and answers about warehouses."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from inventory_service.warehouses.models import Warehouse

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

EXAMPLE: dict[str, Any] = {
    "code": "LON-1",
    "name": "London East",
    "address": {"line1": "4 Dock Road", "city": "London", "postal_code": "E16 1AA", "country": "GB"},
}


class WarehouseAddress(BaseModel):
    line1: Name
    line2: Name | None = None
    city: Name
    postal_code: Annotated[str, StringConstraints(max_length=20)] | None = None
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code")


class WarehouseIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    code: Code = Field(description="short and unique; what stands on the shelves' labels")
    name: Name
    address: WarehouseAddress | None = None


class WarehouseChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "London East, hall B"}})

    code: Code | None = None
    name: Name | None = None
    address: WarehouseAddress | None = None


class WarehouseOut(BaseModel):
    id: UUID
    code: str
    name: str
    address: WarehouseAddress | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, warehouse: Warehouse) -> "WarehouseOut":
        return cls.model_validate(warehouse, from_attributes=True)
