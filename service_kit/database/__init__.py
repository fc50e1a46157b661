"""Two doors to a service's database: `Tx` (SQLModel's async session) and `HotTx`/`HotConn` (asyncpg)."""

from service_kit.database.base import add_kit_tables, service_registry
from service_kit.database.doors import Database, HotConn, HotTx, Tx

__all__ = ["Database", "HotConn", "HotTx", "Tx", "add_kit_tables", "service_registry"]
