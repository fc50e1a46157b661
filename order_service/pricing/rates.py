"""Rates in requests and responses: decimal strings such as "0.20" for 20 %, and parts per million everywhere else."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from order_service.pricing.arithmetic import MILLION

_RATE = re.compile(r"^(0(\.[0-9]{1,6}0{0,6})?|1(\.0{1,12})?)$")


def parts_per_million(rate: Any) -> int:
    """`"0.20"` → 200,000. Raises: ValueError, unless it is a text with a rate that parts per million can express."""
    if not isinstance(rate, str) or not _RATE.fullmatch(rate):
        raise ValueError('must be a decimal from 0 to 1 as text, with six decimals at most, such as "0.20" for 20 %')
    return int(Decimal(rate) * MILLION)


@lru_cache(maxsize=1024)
def rate_text(rate: int) -> str:
    """200,000 parts per million → `"0.20"`: two decimals or more. `orders/rendering_queries.py` has it in SQL."""
    digits = f"{rate % MILLION:06d}"
    return f"{rate // MILLION}.{digits[:2]}{digits[2:].rstrip('0')}"


_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "pattern": _RATE.pattern,
        "description": "a decimal from 0 to 1: `0.20` is 20 %",
        "examples": ["0.20"],
    }
)
RateIn = Annotated[int, BeforeValidator(parts_per_million), _SCHEMA]
"""A rate in a request, which becomes parts per million."""
RateOut = Annotated[int, PlainSerializer(rate_text, return_type=str), _SCHEMA]
"""A rate in a response, from parts per million."""
