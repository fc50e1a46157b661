"""`/health/ready` and Alembic agree on the newest revision of each lineage of migrations."""

import subprocess
import sys

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from service_kit.database import migrations, revisions
from service_kit.database.administration import administration
from service_kit.database.revisions import Lineage, lineages
from tests.harness.service import NEEDED, Served, serve

SERVICES = ("user", "product", "inventory", "order", "notification")
OURS = """
SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'
UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
LINEAGES = sorted({each for name in SERVICES for each in lineages(f"{name}_service")}, key=lambda each: each.package)


@pytest.mark.parametrize("lineage", LINEAGES, ids=lambda lineage: lineage.package)
def test_files_are_numbered_as_alembic_applies_them(lineage: Lineage) -> None:
    numbers = migrations.in_order(lineage)
    assert numbers == sorted(path.name.partition("_")[0] for path in lineage.directory.glob("[0-9]*.py"))
    assert (numbers[0], numbers[-1]) == ("0100", lineage.head)


@pytest.mark.parametrize("service", [f"{name}_service" for name in SERVICES])
def test_a_service_starts_without_importing_alembic(service: str) -> None:
    code = f"import sys, {service}.main, uvicorn; sys.exit(repr({{'alembic', 'mako', 'psycopg2'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == "set()"


@pytest.mark.parametrize(
    ("database", "least_code", "code", "is_fit"),
    [
        ("0005", None, "0005", True),
        ("0006", None, "0005", True),  # the next release has migrated while this one still runs
        ("0004", None, "0005", False),
        (None, None, "0005", False),
        ("0006", "0005", "0005", True),
        ("0007", "0006", "0005", False),
        ("0010", "0009", "0010", True),
    ],
)
def test_code_serves_a_database_at_its_revision_or_beyond(
    database: str | None, least_code: str | None, code: str, is_fit: bool
) -> None:
    assert (revisions.fit(database, least_code, code=code) == "ok") is is_fit


async def _database_check(served: Served) -> str:
    ready = await served.anonymous.get("/health/ready")
    found: str = ready.json()["checks"]["database"]
    assert (ready.status_code == 200) is (found == "ok")
    return found


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("place", [0, 1], ids=["kit", "own"])
async def test_a_newer_database_is_served_until_it_names_newer_code(name: str, place: int) -> None:
    """This applies to the lineage of the kit and to that of the service."""
    service, newer = f"{name}_service", "9999"
    lineage = lineages(service)[place]
    table, now = lineage.version_table, lineage.head
    async with serve(service, **NEEDED.get(name, {})) as served, served.runtime.database.connection() as connection:
        assert await _database_check(served) == "ok"
        await connection.execute(f"UPDATE {table} SET version_num = $1", newer)
        assert await _database_check(served) == "ok"
        migrations.upgrade(service, served.database_url)  # as when a process of the older release restarts
        await connection.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS least_code varchar(32)")
        for least, words in ((now, "ok"), (newer, f"{lineage.package}: the database needs code of revision {newer}")):
            await connection.execute(f"UPDATE {table} SET least_code = $1", least)
            assert (await _database_check(served)).startswith(words)
        await connection.execute(f"UPDATE {table} SET version_num = '0099', least_code = NULL")
        assert "run the migrations" in await _database_check(served)
        await connection.execute(f"DROP TABLE {table}")
        assert "run the migrations" in await _database_check(served)


def test_a_database_is_current_only_by_both_lineages(empty_database: str) -> None:
    service = "product_service"
    migrations.upgrade(service, empty_database)
    assert migrations.is_current(service, empty_database)
    for lineage in lineages(service):
        with administration(empty_database) as cursor:
            cursor.execute(f"DELETE FROM {lineage.version_table}")
        assert not migrations.is_current(service, empty_database)
        with administration(empty_database) as cursor:
            cursor.execute(f"INSERT INTO {lineage.version_table} VALUES (%s)", (lineage.head,))
        assert migrations.is_current(service, empty_database)


@pytest.mark.parametrize("name", SERVICES)
def test_a_downgrade_removes_everything_that_migrations_created(empty_database: str, name: str) -> None:
    migrations.upgrade(f"{name}_service", empty_database)
    with _engine(empty_database).begin() as connection:
        for lineage in reversed(lineages(f"{name}_service")):
            command.downgrade(migrations.config(lineage, connection), "base")
    with administration(empty_database) as cursor:
        cursor.execute(OURS)
        assert {found for (found,) in cursor.fetchall()} == {"alembic_version", "alembic_version_kit"}


def test_a_migration_names_the_code_that_it_needs(empty_database: str) -> None:
    service = "product_service"
    migrations.upgrade(service, empty_database)
    for lineage in lineages(service):
        options = {"version_table": lineage.version_table}
        with (
            _engine(empty_database).begin() as connection,
            Operations.context(MigrationContext.configure(connection, opts=options)),
        ):
            migrations.needs_code("0100")
            migrations.needs_code("0101")
        with administration(empty_database) as cursor:
            cursor.execute(f"SELECT version_num, least_code FROM {lineage.version_table}")
            assert cursor.fetchall() == [(lineage.head, "0101")]
    assert migrations.differences(service, empty_database) == []


def _engine(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg2"), poolclass=NullPool)
