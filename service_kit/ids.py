"""Identifiers: UUIDv7 (RFC 9562), which sort by the time they were made and so stay kind to B-trees."""

from uuid_utils.compat import uuid7

__all__ = ["uuid7"]
