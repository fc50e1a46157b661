"""A migration that adds a column breaks no statement of the release that is still running."""

import importlib
import pkgutil
from collections.abc import Iterator

import asyncpg
import pytest

from local_stack.parts import SERVICES
from service_kit.database import Statement
from tests.harness.databases import drop_database, new_database

_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"


def _statements(package: str) -> Iterator[tuple[str, str]]:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if ".tests" in module.name or ".migrations" in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for number, each in enumerate(value if isinstance(value, list | tuple) else [value]):
                if isinstance(each, Statement):
                    yield f"{module.name}.{name}.{number}", each.sql


@pytest.mark.parametrize("service", [service.package for service in SERVICES])
async def test_statements_return_the_same_columns_when_tables_have_one_more(service: str) -> None:
    """PostgreSQL rejects a prepared statement whose result has changed: in each connection that has used it."""
    url = new_database(service)
    connection = await asyncpg.connect(url)
    try:
        statements = {**dict(_statements(service)), **dict(_statements("service_kit"))}
        assert len(statements) > 20
        before = {name: await _columns(connection, sql) for name, sql in statements.items()}
        for table in [row[0] for row in await connection.fetch(_TABLES)]:
            await connection.execute(f"ALTER TABLE {table} ADD COLUMN added_later text")
        changed = [name for name, sql in statements.items() if await _columns(connection, sql) != before[name]]
        assert changed == []
    finally:
        await connection.close()
        drop_database(url)


async def _columns(connection: asyncpg.Connection, sql: str) -> list[str]:
    return [attribute.name for attribute in (await connection.prepare(sql)).get_attributes()]
