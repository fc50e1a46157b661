"""The caller of the current request, for its log lines."""

from contextvars import ContextVar
from uuid import UUID

current: ContextVar[tuple[str, UUID | str] | None] = ContextVar("caller", default=None)
"""A name and a value: `user_id`, or `client_id` of an API client. structlog's own context would need one variable per
name, which takes longer."""
