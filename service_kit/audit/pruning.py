"""Deletes old entries of the audit log, as the role that owns the tables, since the serving role can't delete any."""

from datetime import timedelta

from sqlalchemy import Connection, Engine, text

BATCH = 10_000
OLD = "SELECT EXISTS (SELECT FROM audit_log WHERE at < now() - :kept)"
DELETE_OLD = """
WITH old AS (SELECT id FROM audit_log WHERE at < now() - :kept ORDER BY at, id LIMIT :batch)
DELETE FROM audit_log USING old WHERE audit_log.id = old.id
"""


def prune(engine: Engine, retention: timedelta) -> int:
    """Deletes entries older than `retention`, and returns their number. Several processes may call it at once."""
    deleted = 0
    while True:
        with engine.begin() as connection:
            if not connection.execute(text(OLD), {"kept": retention}).scalar_one():
                return deleted
            deleted += _delete_batch(connection, retention)


def _delete_batch(connection: Connection, retention: timedelta) -> int:
    """Disables the trigger that rejects deletions. The table is locked until it is enabled again and committed."""
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER only_added_to"))
    found = connection.execute(text(DELETE_OLD), {"kept": retention, "batch": BATCH})
    connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER only_added_to"))
    return found.rowcount
