"""Every statement about the audit log."""

from datetime import datetime

from sqlmodel import col, select

from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset
from user_service.audit.models import AuditEntry


async def search(
    tx: Session, position: Position, *, since: datetime | None, until: datetime | None, **equal: object
) -> Slice[AuditEntry]:
    """Newest first. `until` is exclusive. `equal`: the values that columns must have; None: any value."""
    statement = select(AuditEntry)
    for name, value in equal.items():
        if value is not None:
            statement = statement.where(getattr(AuditEntry, name) == value)
    if since is not None:
        statement = statement.where(col(AuditEntry.at) >= since)
    if until is not None:
        statement = statement.where(col(AuditEntry.at) < until)
    return await keyset(tx, statement, position, AuditEntry.at, AuditEntry.id)
