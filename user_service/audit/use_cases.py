"""Writing the audit log."""

from typing import Any
from uuid import UUID

from service_kit.database import Tx
from user_service.audit.models import Action, AuditEntry, Origin


def record(tx: Tx, origin: Origin, action: Action, subject_id: UUID | None, **facts: Any) -> None:
    """Writes down, in the transaction of what it tells, that `origin` did `action` to the account `subject_id`.

    `facts` are what JSON can say; no name, no address, no secret may be among them.
    """
    tx.add(
        AuditEntry(
            action=action,
            actor_id=origin.actor_id,
            subject_id=subject_id,
            address=origin.address,
            user_agent=origin.user_agent,
            session_id=origin.session_id,
            facts=facts,
        )
    )
