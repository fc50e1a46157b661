"""Databases of the last release before revision 0100.

`dumps/` was made by `pg_dump --inserts --no-owner --no-privileges` from a shop with orders in all statuses. Each
consumer has a dead letter and an event that waits for a retry. The broker, gateway and mail server were stopped before,
so that there are pending events, payments and mails.
"""

import gzip
import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2.extensions

from local_stack.postgres import binaries
from service_kit.clock import utcnow
from service_kit.database.administration import administration
from service_kit.database.revisions import VERSION_TABLES
from tests.harness.databases import new_database

HERE = Path(__file__).parent / "dumps"
MADE_AT = datetime(2026, 11, 28, 19, 58, tzinfo=UTC)
"""A little later than the dumps, so that all retries are due."""

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table, sorted by their text."""

_OF_PSQL = ("\\restrict", "\\unrestrict")
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(%s)"
_TIMES = """
SELECT c.relname, array_agg(quote_ident(attname))
FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND atttypid = 'timestamptz'::regtype AND NOT attisdropped
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname
"""


def restored(service: str) -> str:
    """The URL of a database with the dump of `service`, with all times shifted to the present."""
    url = new_database()
    restore(service, url)
    with administration(url) as cursor:
        _bring_to_today(cursor)
    return url


def restore(service: str, url: str) -> None:
    """Puts the dump of `service` into an empty database."""
    _execute(gzip.decompress((HERE / f"{service}.sql.gz").read_bytes()).decode(), url)


def copy_of_schema(url: str) -> str:
    """The URL of a new database with the same schema. Databases are compared by such copies, since PostgreSQL rewrites
    some constraints when it restores them from a dump."""
    copy = new_database()
    _execute(_schema(url), copy)
    return copy


def rows(url: str) -> Rows:
    """All rows of the database, except the revisions."""
    found: Rows = {}
    with administration(url) as cursor:
        cursor.execute(_TABLES, [list(VERSION_TABLES)])
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY to_jsonb(t)::text")
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


MOVED = {"user_standings": "account_status", "customers": "account_status"}
"""Tables whose rows were moved to another one."""
OF_CUSTOMER = (
    *("orders", "payments", "returns", "carts", "cart_items", "shipments"),
    *("recipients", "preferences", "notifications", "deliveries"),
)
RENAMED = {
    **{(table, "user_id"): "customer_id" for table in OF_CUSTOMER},
    ("stock_movements", "user_id"): "booked_by",
    ("stock_receipts", "user_id"): "booked_by",
    ("orders", "standing_still"): "stuck_reason",
    ("returns", "refusal"): "rejection_reason",
}
"""Renamed columns."""
FORMER = {("returns", "status", "rejected"): "refused"}
"""Renamed values: their former names."""


def lost(before: Rows, after: Rows) -> list[str]:
    """Rows that are missing or have a changed value after the upgrade."""
    found = []
    for table, then in before.items():
        columns = then[0].keys() if then else ()
        names = {name: RENAMED.get((table, name), name) for name in columns}
        rows_now = after.get(MOVED.get(table, table), [])
        now = Counter(_text({old: _former(table, new, row.get(new)) for old, new in names.items()}) for row in rows_now)
        found += [f"{table}: {row}" for row in Counter(map(_text, then)) - now]
    return found


def _former(table: str, column: str, value: Any) -> Any:
    return FORMER.get((table, column, value), value) if isinstance(value, str) else value


def _text(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def schema(url: str) -> set[frozenset[str]]:
    """The statements that create the schema, each as a set of lines, so that the order of columns does not matter."""
    statements = "\n".join(line for line in _schema(url).splitlines() if not line.startswith(("--", "\\"))).split(";\n")
    return {frozenset(line.strip().rstrip(",") for line in each.splitlines() if line.strip()) for each in statements}


def _schema(url: str) -> str:
    command = [str(binaries() / "pg_dump"), "--schema-only", "--no-owner", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _execute(dump: str, url: str) -> None:
    statements = "\n".join(line for line in dump.split("\n") if not line.startswith(_OF_PSQL))
    with administration(url) as cursor:
        cursor.execute(statements)


def _bring_to_today(cursor: psycopg2.extensions.cursor) -> None:
    """Shifts all times, so that nothing in an old dump has expired. Triggers are disabled meanwhile."""
    cursor.execute("SET session_replication_role = replica")
    cursor.execute(_TIMES)
    age = utcnow() - MADE_AT
    for table, columns in cursor.fetchall():
        later = ", ".join(f"{column} = {column} + %(age)s" for column in columns)
        cursor.execute(f"UPDATE {table} SET {later}", {"age": age})
