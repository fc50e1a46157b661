"""What this service holds about people."""

from notification_service.recipients import use_cases as recipients
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
PERSONAL_DATA = PersonalData(
    sections=[
        Section("recipient", RECIPIENT),
        Section("preferences", PREFERENCES),
        Section("notifications", NOTIFICATIONS),
        Section("deliveries", DELIVERIES),
    ],
    erase=recipients.erase,
    on_user_changed=recipients.update,
)
