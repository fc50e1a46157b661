"""Points in time in requests."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FIRST_YEAR, LAST_YEAR = 2000, 2200


def _written_out(value: Any) -> Any:
    """Rejects a number, which Pydantic would read as seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise ValueError("must be a date and time with its offset, such as 2027-01-31T12:00:00Z")


def _plausible(time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year < LAST_YEAR:
        raise ValueError(f"must be between the years {FIRST_YEAR} and {LAST_YEAR}")
    return time.astimezone(UTC)


Time = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_plausible)]
"""A time in the format of RFC 3339, converted to UTC, of a year that every database can store."""
