"""Creates the databases of the services and their roles, as a role that may create both."""

import contextlib
from collections.abc import Iterator

import psycopg2
import psycopg2.extensions
from psycopg2 import sql
from sqlalchemy import URL, make_url

from service_kit.database.tls import Tls

LOCK = 7_365_001  # the key of the advisory lock of all processes that create databases


def create_database(admin_url: str, owner_url: str, serving_url: str | None = None, *, tls: Tls | None = None) -> None:
    """Creates the database and the roles that the URLs name, or sets the roles' passwords to those of the URLs.

    The role of `owner_url` owns the database. The role of `serving_url` may connect; the migrations grant it access to
    the rows. CONNECT is revoked from PUBLIC, so that a service's role can open no other service's database.
    Concurrent calls wait for each other: PostgreSQL rejects concurrent changes of one database's privileges.
    """
    owner, serving = make_url(owner_url), make_url(serving_url or owner_url)
    database, role = sql.Identifier(str(owner.database)), sql.Identifier(str(owner.username))
    with administration(admin_url, tls) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))  # until the connection closes
        _ensure_role(cursor, owner)
        cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))  # an admin of a managed server is no superuser
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (owner.database,))
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
        cursor.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        if serving.username != owner.username:
            _ensure_role(cursor, serving)
            cursor.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(str(serving.username)))
            )
        cursor.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        cursor.execute("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")


def _ensure_role(cursor: psycopg2.extensions.cursor, url: URL) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (url.username,))
    verb = sql.SQL("ALTER ROLE" if cursor.fetchone() else "CREATE ROLE")
    role, password = sql.Identifier(str(url.username)), sql.Literal(str(url.password))
    cursor.execute(sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, role, password))


@contextlib.contextmanager
def administration(url: str, tls: Tls | None = None) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor in autocommit mode: databases can't be created inside a transaction."""
    connection = psycopg2.connect((tls or Tls()).in_url(url), connect_timeout=10)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
