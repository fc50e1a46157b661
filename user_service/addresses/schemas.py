"""Bodies of requests and answers about addresses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from contracts.address import Address
from user_service.addresses.models import SavedAddress

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class AddressIn(Address):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "label": "home",
                "name": "Ada Lovelace",
                "line1": "12 St James's Square",
                "city": "London",
                "postal_code": "SW1Y 4JH",
                "country": "GB",
            }
        },
    )

    label: Label | None = Field(default=None, description="what its owner calls it")
    name: Text
    line1: Text
    line2: Text | None = None
    city: Text
    postal_code: Annotated[str, StringConstraints(max_length=20)] | None = None


class AddressOut(Address):
    id: UUID
    label: str | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, address: SavedAddress) -> "AddressOut":
        return cls.model_validate(address, from_attributes=True)
