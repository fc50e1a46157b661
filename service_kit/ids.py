"""Identifiers: UUIDv7 (RFC 9562), which sort by the time they were made and so stay kind to B-trees."""

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new UUIDv7."""
    return _uuid7()
