"""Where a parcel goes, as it was when the order was placed."""

from pydantic import BaseModel, ConfigDict, Field


class Address(BaseModel):
    """A snapshot: later changes in the customer's address book don't reach it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    company: str | None = None
    line1: str
    line2: str | None = None
    city: str
    region: str | None = Field(default=None, description="state, province or county")
    postal_code: str | None = None
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code")
    phone: str | None = Field(default=None, description="for the carrier")
