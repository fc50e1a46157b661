"""Every statement about the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import MetaData, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.audit.tables import add_audit_log
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.personal_data.models import Section

_LOG = add_audit_log(MetaData())
EXPORT = Section("audit_log", "audit_log", "actor_id = :account_id")
"""The section of a person's export with the changes that they made as a member of staff."""


async def search(
    tx: AsyncSession,
    position: Position,
    *,
    since: datetime | None,
    until: datetime | None,
    **columns: UUID | str | None,
) -> Slice[Any]:
    """A page of entries by time; `until` is exclusive. `columns`: the values that entries must have; None: any."""
    log = _LOG.c
    statement: Any = select(_LOG).where(*(log[name] == value for name, value in columns.items() if value is not None))
    if since is not None:
        statement = statement.where(log.at >= since)
    if until is not None:
        statement = statement.where(log.at < until)
    return await keyset(tx, statement, position, log.at, log.id)
