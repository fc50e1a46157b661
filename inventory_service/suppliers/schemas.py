"""Request and response bodies about suppliers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from service_kit.schemas import RequestBody, RowOut
from service_kit.text import Printable, Trimmed

Name = Annotated[str, Trimmed(200), Printable]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Phone = Annotated[str, Trimmed(40, min_length=3), Printable]

EXAMPLE: dict[str, Any] = {"name": "Hanford Ceramics", "email": "orders@hanford.example", "phone": "+44 20 7946 0000"}


class SupplierIn(RequestBody, json_schema_extra={"example": EXAMPLE}):
    name: Name
    email: Email | None = None
    phone: Phone | None = None


class SupplierChange(RequestBody, json_schema_extra={"example": {"phone": "+44 20 7946 0001"}}):
    name: Name = Field(default="", description="can be changed, but not removed")
    email: Email | None = None
    phone: Phone | None = None


class SupplierOut(RowOut):
    id: UUID
    name: str
    email: str | None
    phone: str | None
    version: int
    created_at: datetime
