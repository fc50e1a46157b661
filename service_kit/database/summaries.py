"""Shortens rows with many lines for a page of a list: to their first lines, and the number of lines.

A page of rows with thousands of lines each would take seconds to read, validate and send, and block other requests.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import attributes, defer
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.statements import Statement

SUMMARY_LINES = 5


def without_lines(model: Any) -> Any:
    """An option for `select(model)`: its JSON column `lines` is not read; `shorten` sets it."""
    return defer(model.lines)


async def shorten(session: AsyncSession, rows: Sequence[Any]) -> dict[UUID, int]:
    """Sets the first lines of rows that were selected `without_lines`. Returns how many lines each id has."""
    if not rows:
        return {}
    first = f"jsonb_path_query_array(lines, '$[0 to {SUMMARY_LINES - 1}]')"
    table = rows[0].__tablename__
    statement = Statement(f"SELECT id, jsonb_array_length(lines), {first} FROM {table} WHERE id = ANY(:ids::uuid[])")  # noqa: S608
    found = {id: rest for id, *rest in await statement.fetch(session, ids=[row.id for row in rows])}
    for row in rows:
        attributes.set_committed_value(row, "lines", found[row.id][1])
    return {id: count for id, (count, _) in found.items()}
