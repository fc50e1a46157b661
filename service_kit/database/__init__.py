"""Access to a service's database: `Session` (SQLModel) and `Transaction`/`Connection` (asyncpg)."""

from service_kit.database.base import add_kit_tables, service_registry
from service_kit.database.sessions import AnySession, Connection, Database, Session, Transaction, mark_events_added
from service_kit.database.statements import Statement, columns, insert, rows

__all__ = [
    "AnySession",
    "Connection",
    "Database",
    "Session",
    "Statement",
    "Transaction",
    "add_kit_tables",
    "columns",
    "insert",
    "mark_events_added",
    "rows",
    "service_registry",
]
