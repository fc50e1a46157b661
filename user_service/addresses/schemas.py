"""Request and response bodies of addresses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.address import Address
from service_kit.addresses import PostalAddress
from service_kit.schemas import RowOut, examples
from service_kit.text import Printable, Trimmed

Label = Annotated[str, Trimmed(50), Printable]


class AddressIn(PostalAddress):
    model_config = examples(
        {
            "label": "home",
            "name": "Ada Lovelace",
            "line1": "12 St James's Square",
            "city": "London",
            "postal_code": "SW1Y 4JH",
            "country": "GB",
            "phone": "+44 20 7946 0000",
        }
    )

    label: Label | None = Field(default=None, description="the customer's name for it")


class AddressOut(Address, RowOut):
    id: UUID
    label: str | None
    version: int
    created_at: datetime
