"""The current time, read by one function, so that tests can replace it."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """The current time in UTC, with its time zone."""
    return datetime.now(UTC)
