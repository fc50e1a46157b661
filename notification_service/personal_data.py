"""What this service holds about people."""

from collections.abc import Sequence

from contracts.events.users import UserChanged
from notification_service.notifications import queries as notifications
from notification_service.recipients import queries as recipients
from service_kit.database import Transaction
from service_kit.personal_data import PersonalData, Section

RECIPIENT = """
SELECT customer_id, to_jsonb(recipients)::text FROM recipients WHERE customer_id = $1 AND customer_id > $2 LIMIT $3
"""
PREFERENCES = """
SELECT customer_id, to_jsonb(preferences)::text FROM preferences WHERE customer_id = $1 AND customer_id > $2 LIMIT $3
"""
NOTIFICATIONS = """
SELECT id, to_jsonb(notifications)::text FROM notifications WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
DELIVERIES = """
SELECT id, to_jsonb(deliveries)::text FROM deliveries WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""


async def update(tx: Transaction, events: Sequence[UserChanged]) -> None:
    """Updates the recipients, then notifies those of them for whom notifications were waiting."""
    await recipients.upsert(tx, events)
    await notifications.add_waiting(tx, [event.user_id for event in events])


PERSONAL_DATA = PersonalData(
    sections=[
        Section("recipient", RECIPIENT),
        Section("preferences", PREFERENCES),
        Section("notifications", NOTIFICATIONS),
        Section("deliveries", DELIVERIES),
    ],
    erase=recipients.erase,
    on_user_changed=update,
)
