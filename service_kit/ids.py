"""Identifiers: UUIDv7 (RFC 9562), which sort by their creation time, so that inserts stay local in a B-tree index."""

from uuid_utils.compat import uuid7

__all__ = ["uuid7"]
