"""The shipping address of an order."""

from pydantic import BaseModel, Field


class Address(BaseModel, frozen=True):
    """A copy of the address, made when the order was placed: later changes of the address book don't affect it."""

    name: str
    company: str | None = None
    line1: str
    line2: str | None = None
    city: str
    region: str | None = Field(default=None, description="state, province or county")
    postal_code: str | None = None
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code")
    phone: str | None = Field(default=None, description="for the carrier")
