"""Amounts and times as people read them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# ISO 4217's exceptions from two digits. CLDR's tables won't do: they say what is usual on a price tag, not what the
# minor unit is, and differ for a dozen currencies.
_DIGITS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"], 0),
    **dict.fromkeys(["RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


def in_words(money: Mapping[str, Any]) -> str:
    """`{"amount": 123450, "currency": "GBP"}` → `GBP 1,234.50`; without a float on the way."""
    amount, currency = int(money["amount"]), str(money["currency"])
    digits = _DIGITS.get(currency, 2)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f".{rest:0{digits}}" if digits else ""
    return f"{currency} {'-' if amount < 0 else ''}{whole:,}{fraction}"


def moment(value: str) -> str:
    """`2026-11-22T15:04:00Z` → `22 November 2026, 15:04 UTC`."""
    return f"{datetime.fromisoformat(value).astimezone(UTC):%-d %B %Y, %H:%M} UTC"
