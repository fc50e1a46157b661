"""The caller of the current request, for the audit log: a member of staff or an API client."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog

from contracts.permissions import Role, permissions_of

if TYPE_CHECKING:  # the guard imports this module
    from service_kit.security.principal import Principal

SETTING = "audit.actor"
"""PostgreSQL's setting with the caller, which the triggers read. Set for one transaction, never for a connection."""

_CUSTOMERS_MAY = permissions_of([Role.USER])
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_actor: ContextVar["tuple[Principal, Mapping[str, Any]] | None"] = ContextVar("actor", default=None)


def remember(who: "Principal", scope: Mapping[str, Any]) -> None:
    """Marks the changes of this request for the audit log, if the caller has more permissions than a customer.

    The caller's permissions decide, not those that the operation requires: many operations allow staff more.
    Changes of staff to their own orders are logged too, so that they can't grant themselves a refund unnoticed.
    """
    if scope["method"] not in _READING and not who.permissions <= _CUSTOMERS_MAY:
        _actor.set((who, scope))


def forget() -> None:
    """Ends `remember`: after a request, and at the start of a task that works for several callers."""
    _actor.set(None)


def as_setting() -> str | None:
    """The value of SETTING for a transaction that begins now; None: nothing is to be audited."""
    found = _actor.get()
    if found is None:
        return None
    who, scope = found
    route = scope.get("route")
    path = getattr(route, "path_format", None) or "unknown"
    return json.dumps(
        {
            "actor_id": str(who.user_id),
            "client_id": None if who.is_person else who.client_id,
            "action": f"{scope['method']} {path}",
            "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        }
    )
