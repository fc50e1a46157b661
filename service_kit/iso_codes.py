"""The codes of countries and currencies that a request may name, as ISO publishes them."""

import re
from functools import cache
from typing import Annotated, Any

import iso3166
import iso4217
from pydantic import AfterValidator, WithJsonSchema

# ISO 3166-1 reserves these for private use, and the library lists one of them (XK).
_USER_ASSIGNED = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ")
_COMMON_MISTAKES = {"UK": "GB", "EL": "GR"}

COUNTRIES = frozenset(code for code in iso3166.countries_by_alpha2 if not _USER_ASSIGNED.fullmatch(code))
# Amounts are in minor units; the codes of gold, of tests and of "no currency" have none.
CURRENCIES = frozenset(currency.code for currency in iso4217.Currency if currency.exponent is not None)


@cache
def smallest_charge(currency: str) -> int:
    """The amount, in minor units, of which charges and refunds must be multiples. If a currency has three decimals,
    payment processors such as Stripe require the last digit to be 0."""
    return 10 if iso4217.Currency(currency).exponent == 3 else 1


def _country(code: str) -> str:
    if code in COUNTRIES:
        return code
    if meant := _COMMON_MISTAKES.get(code):
        raise ValueError(f"{code} is no ISO 3166-1 alpha-2 code: write {meant}")
    raise ValueError("must be an ISO 3166-1 alpha-2 code in capitals, such as GB")


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be the ISO 4217 code of a currency in capitals, such as GBP")
    return code


def _schema(codes: frozenset[str], description: str) -> dict[str, Any]:
    return {"type": "string", "enum": sorted(codes), "description": description}


Country = Annotated[str, AfterValidator(_country), WithJsonSchema(_schema(COUNTRIES, "ISO 3166-1 alpha-2 code"))]
Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema(_schema(CURRENCIES, "ISO 4217 code"))]
