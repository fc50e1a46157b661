"""Either door to the database, and what messaging must tell it."""

from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.doors import HotConnection, HotTransaction

Door = AsyncSession | HotTransaction | HotConnection


def tell_of_events(tx: Door) -> None:
    """After its commit, this transaction's door wakes the relay."""
    if isinstance(tx, AsyncSession):
        tx.info["added_events"] = True
    else:
        tx.added_events = True
