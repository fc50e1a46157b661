"""Amounts of money in events and in the bodies of APIs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]


class Money(BaseModel):
    """An amount in the currency's minor unit: `{"amount": 1250, "currency": "USD"}` is 12.50 dollars."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [{"amount": 1250, "currency": "USD"}]})

    amount: StrictInt = Field(description="in the currency's minor unit")
    currency: Currency
