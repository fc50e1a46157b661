"""Two roles for each database: one owns and migrates the tables, the other has only what serving needs."""

from sqlalchemy import Connection, text

from service_kit.database.revisions import VERSION_TABLES

# A table that rejects TRUNCATE by a trigger is append-only, such as the audit log.
_TABLES = """
    SELECT c.relname, EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgtype & 32 <> 0)
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    ORDER BY c.relname
"""


def grant(connection: Connection, role: str) -> None:
    """Grants `role` access to the rows of every table, but not DDL; of append-only tables only to read and insert.

    Call it in the transaction of the migration, so that a new table is never visible without the grants.
    """
    if connection.execute(text("SELECT current_user = :role"), {"role": role}).scalar_one():
        return  # one role migrates and serves, and would revoke its own privileges
    name = _quoted(role)
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {name}"))
    for table, only_added_to in connection.execute(text(_TABLES)).all():
        rights = "SELECT, INSERT" if only_added_to else "SELECT, INSERT, UPDATE, DELETE"
        if table in VERSION_TABLES:
            rights = "SELECT"
        connection.execute(text(f"REVOKE ALL ON TABLE {_quoted(table)} FROM {name}"))
        connection.execute(text(f"GRANT {rights} ON TABLE {_quoted(table)} TO {name}"))
    connection.execute(text(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def may_serve(connection: Connection, role: str) -> bool:
    """Whether `grant` was carried out for `role`."""
    found = connection.execute(text("SELECT has_table_privilege(:role, 'outbox', 'INSERT')"), {"role": role})
    return bool(found.scalar_one())
