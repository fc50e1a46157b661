"""Adds entries to the audit log."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from pydantic_core import to_jsonable_python

from service_kit.database import Session
from user_service.audit.models import Action, AuditEntry, Origin


def record(
    tx: Session,
    origin: Origin,
    action: Action,
    subject_id: UUID | None = None,
    *,
    changes: dict[str, Any] | None = None,
    **facts: object,
) -> None:
    """Records that `origin` did `action` to the account `subject_id`, or to the API client, role or customer group that
    `facts` name as `client`, `role` or `group`. Call it in the transaction of the action.

    `changes`: for each changed field a list of its former and its new value, or None if the field has personal data.
    Both `changes` and `facts` are stored as JSON, and must not contain a name, an e-mail address or a secret.
    """
    place = {name: getattr(origin, name) for name in ("actor_id", "client_id", "session_id", "address", "user_agent")}
    plain = to_jsonable_python(facts)
    entry = AuditEntry(action=action, subject_id=subject_id, changes=changes, facts=plain, **place)
    entry.resource, entry.resource_id = _about(subject_id, plain)
    entry.request_id = structlog.contextvars.get_contextvars().get("request_id")
    tx.add(entry)


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The former and the new value of each field that differs. A missing field counts as None, so that an empty mapping
    stands for what does not exist before it is created, or after it is deleted."""
    return {
        name: [before.get(name), after.get(name)] for name in {**before, **after} if before.get(name) != after.get(name)
    }


def _about(subject_id: UUID | None, facts: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if subject_id is not None:
        return "account", str(subject_id)
    named = {"client": "api-client", "role": "role", "group": "customer-group"}
    return next(((resource, facts[name]) for name, resource in named.items() if name in facts), (None, None))
