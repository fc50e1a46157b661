"""PostgreSQL's plans for the statements of a service, with full tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import asyncpg
from asyncpg import Connection, Record
from sqlalchemy import Engine, event

Statements = dict[str, Sequence[Any]]
"""SQL, and the parameters that it was executed with."""

ROWS = 4000
SHIP_TO = """'{"name": "Ada", "line1": "12 St James''s Square", "city": "London", "country": "GB"}'::jsonb"""
_READS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL
  AND is_identity = 'NO' AND is_generated = 'NEVER'
"""
# Different in each row, so that an index is selective.
_VALUES = {
    "uuid": "uuidv7()",
    "boolean": "true",
    "bytea": "n::text::bytea",
    "timestamp with time zone": "now() - make_interval(mins => n)",
    "jsonb": "'{}'",
    "json": "'{}'",
    "ARRAY": "'{}'",
    "text": "n::text",
    "character varying": "n::text",
}
_LARGE = "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1"


@contextmanager
def recorded() -> Iterator[Statements]:
    """The statements that are executed on connections opened within the block."""
    found: Statements = {}
    connect = asyncpg.connect

    def note(sql: str, values: Sequence[Any]) -> None:
        if sql.strip().upper().startswith(_READS):
            found[sql] = tuple(values)

    async def noting(*arguments: Any, **keywords: Any) -> Any:
        connection = await connect(*arguments, **keywords)
        connection.add_query_logger(lambda query: note(query.query, query.args or ()))
        return connection

    def session(_: Any, __: Any, sql: str, values: Sequence[Any], *___: Any) -> None:
        note(sql, values)

    event.listen(Engine, "before_cursor_execute", session)
    try:
        with patch.object(asyncpg, "connect", noting):
            yield found
    finally:
        event.remove(Engine, "before_cursor_execute", session)


async def fill(connection: "Connection[Record]", table: str, columns: Mapping[str, str] | None = None) -> None:
    """Inserts ROWS rows; `columns` are SQL expressions of the row number `n`, the others get a value of their type."""
    chosen = dict(columns or {})
    for name, data_type in await connection.fetch(_COLUMNS, table):
        chosen.setdefault(name, _VALUES.get(data_type, "n"))
    names, values = ", ".join(f'"{name}"' for name in chosen), ", ".join(chosen.values())
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # foreign keys are not checked
        await connection.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1, {ROWS}) AS n")
    await connection.execute(f"ANALYZE {table}")


async def sequential_scans(connection: "Connection[Record]", statements: Statements) -> dict[str, str]:
    """The tables that a sequential scan would read, with the statement. Sequential scans are enabled for the
    planner."""
    large = {row[0] for row in await connection.fetch(_LARGE, ROWS / 2)}
    found: dict[str, str] = {}
    for sql, values in list(statements.items()):  # our own statements are recorded too
        [row] = await connection.fetch(f"EXPLAIN (FORMAT JSON) {sql}", *values)
        found.update({table: sql for table in _scanned(json.loads(row[0])[0]["Plan"]) if table in large})
    return found


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for below in plan.get("Plans", ()):
        yield from _scanned(below)
