"""Amounts in requests about what orders cost."""

from typing import Annotated

from pydantic import AfterValidator, Field

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
