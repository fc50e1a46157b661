"""Points in time in requests."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FIRST_YEAR, LAST_YEAR = 2000, 2200
D = TypeVar("D", bound=date)


def _written_out(value: Any) -> Any:
    """Rejects a number, which Pydantic would read as seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise ValueError("must be a date and time with its offset, such as 2027-01-31T12:00:00Z")


def _written_as_day(value: Any) -> Any:
    if isinstance(value, str) and len(value) == len("2027-01-31"):
        return _written_out(value)
    raise ValueError("must be a date, such as 2027-01-31")


def _plausible(day: D) -> D:
    if not FIRST_YEAR <= day.year < LAST_YEAR:
        raise ValueError(f"must be between the years {FIRST_YEAR} and {LAST_YEAR}")
    return day


def _in_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


Time = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_plausible), AfterValidator(_in_utc)]
"""A time in the format of RFC 3339, converted to UTC, of a year that every database can store."""
Day = Annotated[date, BeforeValidator(_written_as_day), AfterValidator(_plausible)]
"""A date in the format of RFC 3339, of such a year."""
