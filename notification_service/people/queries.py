"""What is held about a person."""

from service_kit.audit.queries import EXPORT as AUDIT_LOG
from service_kit.http.export import Section
from service_kit.security import standing

RECIPIENT = """
SELECT user_id, to_jsonb(recipients)::text FROM recipients WHERE user_id = $1 AND user_id > $2 LIMIT $3
"""
PREFERENCES = """
SELECT user_id, to_jsonb(preferences)::text FROM preferences WHERE user_id = $1 AND user_id > $2 LIMIT $3
"""
NOTIFICATIONS = """
SELECT id, to_jsonb(notifications)::text FROM notifications WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
DELIVERIES = """
SELECT id, to_jsonb(deliveries)::text FROM deliveries WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
SECTIONS = [
    Section("account", standing.EXPORT),
    Section("recipient", RECIPIENT),
    Section("preferences", PREFERENCES),
    Section("notifications", NOTIFICATIONS),
    Section("deliveries", DELIVERIES),
    AUDIT_LOG,
]
