"""Writing the audit log."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from service_kit.database import Session
from user_service.audit.models import Action, AuditEntry, Origin


def record(
    tx: Session,
    origin: Origin,
    action: Action,
    subject_id: UUID | None,
    *,
    changes: Mapping[str, Any] | None = None,
    **facts: Any,
) -> None:
    """Writes down, in the transaction of what it tells, that `origin` did `action` to the account `subject_id`, or to
    the API client or role that `facts` name as `client` or `role`.

    `changes` are the fields as `changes_between` gives them; None for one that is only named. `facts` are
    what JSON can say. No name, no address, no secret may be among either.
    """
    resource, resource_id = _about(subject_id, facts)
    tx.add(
        AuditEntry(
            resource=resource,
            resource_id=resource_id,
            changes=None if changes is None else dict(changes),
            client_id=origin.client_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            action=action,
            actor_id=origin.actor_id,
            subject_id=subject_id,
            address=origin.address,
            user_agent=origin.user_agent,
            session_id=origin.session_id,
            facts=facts,
        )
    )


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Each field that differs, as it was and as it is. Before it was made and after it is deleted, a thing has none."""
    return {
        name: [before.get(name), after.get(name)] for name in {**before, **after} if before.get(name) != after.get(name)
    }


def _about(subject_id: UUID | None, facts: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if subject_id is not None:
        return "account", str(subject_id)
    if "client" in facts:
        return "api-client", facts["client"]
    return ("role", facts["role"]) if "role" in facts else (None, None)
