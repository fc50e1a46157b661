"""Bodies of requests and answers about suppliers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from inventory_service.suppliers.models import Supplier

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40)]

EXAMPLE: dict[str, Any] = {"name": "Hanford Ceramics", "email": "orders@hanford.example", "phone": "+44 20 7946 0000"}


class SupplierIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    name: Name
    email: Email | None = None
    phone: Phone | None = None


class SupplierChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"phone": "+44 20 7946 0001"}})

    name: Name = Field(default="", description="can be changed, but not removed")
    email: Email | None = None
    phone: Phone | None = None


class SupplierOut(BaseModel):
    id: UUID
    name: str
    email: str | None
    phone: str | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, supplier: Supplier) -> "SupplierOut":
        return cls.model_validate(supplier, from_attributes=True)
