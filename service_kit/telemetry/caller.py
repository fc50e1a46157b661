"""Who sent the request that is being served, for its log lines."""

from contextvars import ContextVar
from uuid import UUID

# One variable, set once in a request: structlog's own would take a variable, and time, for each name.
_caller: ContextVar[tuple[str, UUID | str] | None] = ContextVar("caller", default=None)


def remember_person(user_id: UUID) -> None:
    """From now on the lines of this request have `user_id`."""
    _caller.set(("user_id", user_id))


def remember_client(client_id: str) -> None:
    """From now on the lines of this request have `client_id`: the caller is a program."""
    _caller.set(("client_id", client_id))


def forget() -> None:
    _caller.set(None)


def current() -> tuple[str, UUID | str] | None:
    """A name and a value for a log line; None where nobody is signed in."""
    return _caller.get()
