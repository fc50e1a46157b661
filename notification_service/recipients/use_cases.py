"""Who there is to tell."""

from collections.abc import Sequence

from contracts.events.users import UserChanged, UserErased
from notification_service.notifications import queries as notifications
from notification_service.recipients import queries
from service_kit.database import HotTx


async def remember(tx: HotTx, events: Sequence[UserChanged]) -> None:
    latest = {event.user_id: event for event in sorted(events, key=lambda event: event.version)}
    await queries.upsert(tx, list(latest.values()))
    await notifications.tell_what_waited(tx, list(latest))


async def forget(tx: HotTx, events: Sequence[UserErased]) -> None:
    latest = {event.user_id: event for event in sorted(events, key=lambda event: event.version)}
    await queries.erase(tx, list(latest.values()))
