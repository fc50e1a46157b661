"""Every statement about the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Text, Uuid, column, select, table
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.keyset import Position, Slice, keyset
from service_kit.personal_data.models import Section

_LOG = table(
    "audit_log",
    column("id", Uuid),
    column("at", DateTime(timezone=True)),
    column("actor_id", Uuid),
    column("client_id", Text),
    column("action", Text),
    column("resource", Text),
    column("resource_id", Text),
    column("changes", JSONB),
    column("request_id", Text),
)
EXPORT = Section("audit_log", "audit_log", "actor_id = :account_id")
"""What a person did as a member of staff."""


async def search(
    tx: AsyncSession,
    position: Position,
    *,
    actor_id: UUID | None,
    resource: str | None,
    resource_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Slice[Any]:
    """Newest first; `until` is not part of it."""
    log = _LOG.c
    values = {"actor_id": actor_id, "resource": resource, "resource_id": resource_id}
    wanted = [log[name] == value for name, value in values.items() if value is not None]
    times: list[ColumnElement[bool]] = [log.at >= since] if since else []
    times += [log.at < until] if until else []
    statement: Any = select(_LOG).where(*wanted, *times)
    return await keyset(tx, statement, position, log.at, log.id)
