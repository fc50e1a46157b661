"""A database for each test: a copy of a template that is migrated once; it is emptied and reused by the next test."""

import fcntl
import os
import secrets
from collections import defaultdict

import psycopg2.extensions
from sqlalchemy import make_url

from service_kit.database import migrations
from service_kit.database.administration import administration
from tests.harness.servers import POSTGRES, run_directory

# Rows of the migrations stay: only rows that a test wrote are deleted, with triggers and foreign keys disabled.
_EMPTY = """
DO $$ DECLARE name text; has_rows boolean; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables
                WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic_version%' LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO has_rows;
        IF has_rows THEN EXECUTE 'DELETE FROM ' || name; END IF;
    END LOOP;
    FOR name IN SELECT quote_ident(sequencename) FROM pg_sequences
                WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        EXECUTE 'ALTER SEQUENCE ' || name || ' RESTART';
    END LOOP;
END $$
"""
# Changes with any table, column, index, constraint, trigger or function that a test makes or drops.
_SHAPE = """
SELECT (SELECT array[count(*), sum(relnatts)] FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'i', 'S', 'v')),
       (SELECT count(*) FROM pg_constraint WHERE oid >= 16384), (SELECT count(*) FROM pg_trigger),
       (SELECT count(*) FROM pg_proc WHERE oid >= 16384),
       (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting)
"""
_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_free: dict[str, list[str]] = defaultdict(list)
_shapes: dict[str, object] = {}
_service_of: dict[str, str] = {}


def new_database(service: str | None = None) -> str:
    """The URL of a database for this test alone, with the migrations of `service` (`order_service`), or empty."""
    if service and _free[service]:
        return _free[service].pop()
    server = os.environ[POSTGRES]
    name = f"test_{secrets.token_hex(6)}"
    template = _template(server, service) if service else "template0"
    with administration(server) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    if service:
        _service_of[url] = service
        with administration(url) as cursor:
            _shapes.setdefault(service, _shape(cursor))
    return url


def drop_database(url: str) -> None:
    """Releases the database. If its schema has not changed, it is emptied for the next test."""
    service = _service_of.get(url)
    if url in _free[service or ""]:
        return  # two services of one test used it
    if service and _emptied(url, service):
        _free[service].append(url)
        return
    with administration(os.environ[POSTGRES]) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")


def _emptied(url: str, service: str) -> bool:
    try:
        with administration(url) as cursor:
            cursor.execute(_OTHERS)
            if _shape(cursor) != _shapes[service]:
                return False
            cursor.execute(_EMPTY)
    except psycopg2.Error:
        return False  # a test may have made it unusable intentionally
    return True


def _shape(cursor: psycopg2.extensions.cursor) -> object:
    cursor.execute(_SHAPE)
    return cursor.fetchone()


def _template(server: str, service: str) -> str:
    """The template, which the first test process that needs it migrates while the others wait."""
    name = f"template_{service}"
    with (run_directory() / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            with administration(server) as cursor:
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            migrations.upgrade(service, make_url(server).set(database=name).render_as_string(hide_password=False))
            lock.write("made")
    return name
