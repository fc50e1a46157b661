"""Migrations run beside services that read and write the same tables."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import psycopg2
import psycopg2.errors
import pytest

from service_kit.database import migrations, revisions
from service_kit.database.administration import administration

MODELS = """
    import sqlalchemy as sa

    metadata = sa.MetaData()
    sa.Table("things", metadata, sa.Column("id", sa.Integer(), primary_key=True), sa.Column("size", sa.Integer()))
"""
TABLES = """
    revision, down_revision, REPLACES = "0100", None, "0099"

    def upgrade():
        op.create_table("things", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("size", sa.Integer()))
"""
COLUMN = """
    revision, down_revision = "0101", "0100"

    def upgrade():
        op.add_column("things", sa.Column("colour", sa.Text()))
"""
INDEX = """
    revision, down_revision = "0101", "0100"

    def upgrade():
        create_index_concurrently("ix_things_size", "things", ["size"])
"""
HEAD = """
import sqlalchemy as sa
from alembic import op
from service_kit.database.migrations import create_index_concurrently
"""
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_things_size'::regclass"


class Service:
    """A package with migrations, made for the test, and its database."""

    name = "things_service"

    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self._migrations = directory / self.name / "migrations"
        self._migrations.mkdir(parents=True)
        (directory / self.name / "__init__.py").touch()
        (directory / self.name / "models.py").write_text(dedent(MODELS))
        self.release("0100_tables.py", TABLES)

    def release(self, file: str, migration: str) -> None:
        (self._migrations / file).write_text(HEAD + dedent(migration))
        revisions._head.cache_clear()

    def migrate(self) -> None:
        migrations.upgrade(self.name, self.url)


@pytest.fixture
def service(tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", timedelta(milliseconds=200))
    made = Service(tmp_path, empty_database)
    made.migrate()
    yield made
    for module in [name for name in sys.modules if name.partition(".")[0] == Service.name]:
        del sys.modules[module]


@contextmanager
def transaction(url: str) -> Iterator[Any]:
    """One that stays open, as of a service that is slow."""
    with (
        closing(psycopg2.connect(url, options="-c statement_timeout=20s")) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor
        connection.commit()


def test_reads_go_on_while_a_migration_waits_for_a_lock(service: Service) -> None:
    service.release("0101_column.py", COLUMN)
    attempts = set[int]()
    with ThreadPoolExecutor(1) as threads, administration(service.url) as reader:
        with transaction(service.url) as slow:
            slow.execute("SELECT count(*) FROM things")
            migrated = threads.submit(service.migrate)
            reader.execute("SET statement_timeout = '20s'")
            while len(attempts) < 2:
                assert not migrated.done()
                reader.execute("SELECT count(*) FROM things")  # behind the migration, until it lets others pass
                reader.execute(WAITING)
                attempts |= {pid for (pid,) in reader.fetchall()}
        migrated.result(timeout=60)
        reader.execute("SELECT colour FROM things")


def test_a_migration_that_never_gets_its_lock_ends_and_changes_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.release("0101_column.py", COLUMN)
    monkeypatch.setattr(migrations, "PATIENCE", timedelta(milliseconds=500))
    with transaction(service.url) as slow:
        slow.execute("SELECT count(*) FROM things")
        with pytest.raises(migrations.StillLocked, match=r"things_service was not migrated.*pg_stat_activity"):
            service.migrate()
    assert not migrations.is_current(service.name, service.url)
    service.migrate()
    assert migrations.is_current(service.name, service.url)


def test_an_index_is_built_while_rows_are_written(service: Service) -> None:
    """Even longer than a migration waits for locks. An index that an earlier attempt left invalid is built again."""
    service.release("0101_index.py", INDEX)
    with ThreadPoolExecutor(1) as threads, administration(service.url) as other:
        other.execute("INSERT INTO things VALUES (1, 7), (2, 7)")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            other.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_things_size ON things (size)")
        other.execute(IS_VALID)
        assert other.fetchone() == (False,)
        with transaction(service.url) as slow:
            slow.execute("INSERT INTO things VALUES (3, 7)")
            migrated = threads.submit(service.migrate)
            waiting: list[Any] = []
            until = time.monotonic() + 2 * migrations.LOCK_TIMEOUT.total_seconds()
            while not waiting or time.monotonic() < until:
                assert not migrated.done()
                other.execute(WAITING)
                waiting = other.fetchall()
            other.execute("SET lock_timeout = '1s'")
            other.execute("INSERT INTO things VALUES (4, 7)")
        migrated.result(timeout=60)
        other.execute(IS_VALID)
        assert other.fetchone() == (True,)
    assert migrations.is_current(service.name, service.url)
