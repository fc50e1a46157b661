"""A session, transaction or connection, and the mark that events were added to its outbox."""

from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.sessions import Connection, Transaction

AnySession = AsyncSession | Transaction | Connection


def mark_events_added(tx: AnySession) -> None:
    """The relay is woken after the commit."""
    if isinstance(tx, AsyncSession):
        tx.info["added_events"] = True
    else:
        tx.added_events = True
