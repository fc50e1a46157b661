"""The personal data of this service: recipients, and what they are sent."""

from collections.abc import Sequence

from contracts.events.users import UserChanged, UserMerged
from notification_service.notifications import queries as notifications
from notification_service.recipients import queries as recipients
from service_kit.database import Transaction
from service_kit.personal_data import PersonalData, Section


async def update(tx: Transaction, events: Sequence[UserChanged]) -> None:
    """Updates the recipients, then makes notifications visible that arrived before their recipient was known."""
    await recipients.upsert(tx, events)
    await notifications.add_waiting(tx, [event.user_id for event in events])


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    """Moves all that guests have, then makes notifications visible that were hidden because the guest was not known."""
    await recipients.merge(tx, events)
    await notifications.add_waiting(tx, [event.into for event in events])


PERSONAL_DATA = PersonalData(
    sections=[
        Section("recipient", "recipients", id="customer_id"),
        Section("preferences", "preferences", id="customer_id"),
        Section("notifications", "notifications"),
        Section("deliveries", "deliveries"),
    ],
    erase=recipients.erase,
    merge=merge,
    on_user_changed=update,
)
