"""Access to a service's database: `Session` (SQLModel) and `Transaction`/`Connection` (asyncpg)."""

from service_kit.database.base import add_kit_tables, service_registry
from service_kit.database.sessions import Connection, Database, Session, Transaction

__all__ = ["Connection", "Database", "Session", "Transaction", "add_kit_tables", "service_registry"]
