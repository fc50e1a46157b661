"""One way to run a statement through either door, inside the transaction that the caller opened."""

from collections.abc import Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.doors import HotConnection, HotTransaction

Door = AsyncSession | HotTransaction | HotConnection


async def run(tx: Door, sql: str, *arguments: Any) -> Sequence[Any]:
    """The rows of a statement with `$1` parameters.

    A session is flushed first: what it changed must be locked before what follows, as the order of statements says.
    """
    if not isinstance(tx, AsyncSession):
        rows: Sequence[Any] = await tx.fetch(sql, *arguments)
        return rows
    await tx.flush()
    # Through SQLAlchemy's connection, not the raw one under it: that is in autocommit before its first statement.
    result = await (await tx.connection()).exec_driver_sql(sql, arguments)
    return result.all() if result.returns_rows else []


def tell_of_events(tx: Door) -> None:
    """After its commit, this transaction's door wakes the relay."""
    if isinstance(tx, AsyncSession):
        tx.info["added_events"] = True
    else:
        tx.added_events = True
