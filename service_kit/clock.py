"""The current time, read in one place."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """The current time in UTC, with its time zone."""
    return datetime.now(UTC)
