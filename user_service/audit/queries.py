"""Every statement about the audit log."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset
from user_service.audit.models import Action, AuditEntry


async def search(
    tx: Session,
    position: Position,
    *,
    actor_id: UUID | None,
    resource: str | None,
    resource_id: str | None,
    subject_id: UUID | None,
    action: Action | None,
    since: datetime | None,
    until: datetime | None,
) -> Slice[AuditEntry]:
    """Newest first; `until` is not part of it."""
    statement = select(AuditEntry)
    for column, value in (
        (AuditEntry.actor_id, actor_id),
        (AuditEntry.subject_id, subject_id),
        (AuditEntry.resource, resource),
        (AuditEntry.resource_id, resource_id),
    ):
        if value is not None:
            statement = statement.where(col(column) == value)
    if action is not None:
        statement = statement.where(col(AuditEntry.action) == action)
    if since is not None:
        statement = statement.where(col(AuditEntry.at) >= since)
    if until is not None:
        statement = statement.where(col(AuditEntry.at) < until)
    return await keyset(tx, statement, position, AuditEntry.at, AuditEntry.id)
