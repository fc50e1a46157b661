"""`GET /me/export`: all that a service holds about the caller, as JSON, read and sent a page at a time."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import StreamingResponse

from service_kit.audit import queries as audit_log
from service_kit.database import Database
from service_kit.http.router import Router
from service_kit.http.sessions import database_of
from service_kit.http.streams import streamed
from service_kit.personal_data.models import PersonalData, Section
from service_kit.security import Principal, Requires, account_status

BEFORE_ALL = UUID(int=0)


def export_router(data: PersonalData) -> Router:
    """The endpoint of one service."""
    by_name = {section.name: section for section in (account_status.EXPORT, audit_log.EXPORT, *data.sections)}
    router = Router(tags=["my data"], dependencies=[Depends(data.on_export)] if data.on_export else [])
    names = ", ".join(f"`{name}`" for name in by_name)

    @router.get(
        "/me/export",
        summary="Export all that this service holds about me",
        description=f"As JSON: lists named {names}. Each service exports what it holds.",
        response_model=dict[str, list[Any]],
    )
    async def export(request: Request, who: Annotated[Principal, Requires("users:read")]) -> StreamingResponse:
        chunks = _chunks(database_of(request), who.user_id, by_name.values())
        return await streamed(chunks, "my-data.json", "application/json")

    return router


async def _chunks(database: Database, user_id: UUID, sections: Iterable[Section]) -> AsyncIterator[str]:
    for number, section in enumerate(sections):
        opening = ("{" if number == 0 else "],") + json.dumps(section.name) + ":["
        after = BEFORE_ALL
        while True:
            async with database.connection() as connection:
                rows = await section.read(connection, user_id, after)
            yield opening + ",".join(row[1] for row in rows)
            if len(rows) < section.page:
                break
            opening, after = ",", rows[-1][0]
    yield "]}"
