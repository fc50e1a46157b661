"""Request and response bodies about warehouses."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from service_kit.addresses import Place
from service_kit.schemas import RequestBody, RowOut
from service_kit.text import Printable, Trimmed

Code = Annotated[str, Trimmed(40), Printable]
Name = Annotated[str, Trimmed(200), Printable]

EXAMPLE: dict[str, Any] = {
    "code": "LON-1",
    "name": "London East",
    "address": {"line1": "4 Dock Road", "city": "London", "postal_code": "E16 1AA", "country": "GB"},
}


class WarehouseAddressOut(BaseModel):
    """An address as it was stored. The present validation rules may be stricter, so they are not applied."""

    line1: str
    line2: str | None = None
    city: str
    region: str | None = None
    postal_code: str | None = None
    country: str


class WarehouseIn(RequestBody, json_schema_extra={"example": EXAMPLE}):
    code: Code = Field(description="short and unique, such as MAIN")
    name: Name
    address: Place | None = None


class WarehouseChange(RequestBody, json_schema_extra={"example": {"name": "London East, hall B"}}):
    code: Code | None = None
    name: Name | None = None
    address: Place | None = None


class WarehouseOut(RowOut):
    id: UUID
    code: str
    name: str
    address: WarehouseAddressOut | None
    version: int
    created_at: datetime
