"""Who there is to tell."""

from collections.abc import Sequence
from uuid import UUID

from contracts.events.users import UserChanged
from notification_service.notifications import queries as notifications
from notification_service.recipients import queries
from service_kit.database import HotTx


async def update(tx: HotTx, events: Sequence[UserChanged]) -> None:
    """Updates the recipients, then notifies those of them for whom notifications were waiting."""
    await queries.upsert(tx, events)
    await notifications.tell_what_waited(tx, [event.user_id for event in events])


async def erase(tx: HotTx, user_ids: Sequence[UUID]) -> None:
    """Erases the copy, the inbox, the preferences and the log of the mails."""
    await queries.erase(tx, user_ids)
