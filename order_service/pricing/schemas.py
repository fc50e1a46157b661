"""Amounts and rates in the bodies of requests about what orders cost."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from order_service.pricing.arithmetic import MILLION
from order_service.pricing.quotes import MAX_AMOUNT
from service_kit.iso_codes import Currency, smallest_charge


def check_chargeable(amount: int, currency: str) -> None:
    """Raises: ValueError, if the amount is no multiple of what can be charged in the currency."""
    if amount % (step := smallest_charge(currency)):
        raise ValueError(f"{amount} can't be charged: amounts in {currency} must be multiples of {step}")


def _chargeable(amounts: dict[str, int]) -> dict[str, int]:
    for currency, amount in amounts.items():
        check_chargeable(amount, currency)
    return amounts


Amounts = Annotated[
    dict[Currency, Annotated[int, Field(gt=0, le=MAX_AMOUNT)]],
    Field(max_length=50, description="by currency, in its minor unit"),
    AfterValidator(_chargeable),
]

Rate = Annotated[
    str,
    StringConstraints(pattern=r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"),
    Field(description="a decimal number from 0 to 1 with at most six decimals: `0.15` is 15 %"),
]


def parts_per_million(rate: str) -> int:
    """`0.15` → 150,000."""
    return int(Decimal(rate) * MILLION)


def rate_text(rate: int) -> str:
    """150,000 parts per million → `0.15`."""
    return format((Decimal(rate) / MILLION).normalize(), "f")


def without_empty(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that say something: for bodies whose absent members mean the same as empty ones."""
    return {name: value for name, value in fields.items() if value not in (None, [], {}, False, 0)}
