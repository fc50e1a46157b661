"""What `/health/ready` takes for the newest revision is what Alembic takes for it."""

import subprocess
import sys

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from local_stack.postgres import administration
from service_kit.database import migrations, revisions
from tests.harness.service import NEEDED, Served, serve

SERVICES = ("user", "product", "inventory", "order", "notification")


@pytest.mark.parametrize("service", [f"{name}_service" for name in SERVICES])
def test_files_are_numbered_as_alembic_applies_them(service: str) -> None:
    numbers = migrations.in_order(service)
    assert numbers == sorted(path.name.partition("_")[0] for path in revisions.directory(service).glob("*.py"))
    assert revisions.head(service) == numbers[-1]


@pytest.mark.parametrize("service", [f"{name}_service" for name in SERVICES])
def test_a_service_is_there_without_what_only_migrations_need(service: str) -> None:
    code = f"import sys, {service}.main, uvicorn; sys.exit(repr({{'alembic', 'mako', 'psycopg2'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == "set()"


@pytest.mark.parametrize(
    ("database", "least_code", "code", "is_fit"),
    [
        ("0005", None, "0005", True),
        ("0006", None, "0005", True),  # the next release's migration, while this one still serves
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
async def test_a_newer_database_is_served_until_it_names_newer_code(name: str) -> None:
    service, newer = f"{name}_service", "9999"
    async with serve(service, **NEEDED.get(name, {})) as served, served.runtime.database.hot() as connection:
        now = revisions.head(service)
        assert await _database_check(served) == "ok"
        try:
            await connection.execute("UPDATE alembic_version SET version_num = $1", newer)
            assert await _database_check(served) == "ok"
            migrations.upgrade(service, served.database_url)  # a process of before that starts again
            await connection.execute("ALTER TABLE alembic_version ADD COLUMN least_code varchar(32)")
            for least, words in ((now, "ok"), (newer, f"the database needs code of revision {newer}")):
                await connection.execute("UPDATE alembic_version SET least_code = $1", least)
                assert (await _database_check(served)).startswith(words)
            await connection.execute("UPDATE alembic_version SET version_num = '0000', least_code = NULL")
            assert "run the migrations" in await _database_check(served)
        finally:
            await connection.execute("UPDATE alembic_version SET version_num = $1", now)
            await connection.execute("ALTER TABLE alembic_version DROP COLUMN IF EXISTS least_code")


def test_a_migration_names_the_code_that_it_needs(empty_database: str) -> None:
    service = "product_service"
    migrations.upgrade(service, empty_database)
    engine = create_engine(make_url(empty_database).set(drivername="postgresql+psycopg2"), poolclass=NullPool)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migrations.needs_code("0001")
        migrations.needs_code("0002")
    with administration(empty_database) as cursor:
        cursor.execute("SELECT version_num, least_code FROM alembic_version")
        assert cursor.fetchall() == [(revisions.head(service), "0002")]
    assert migrations.differences(service, empty_database) == []
