"""What is held about a person; what their account may do, and what they did as members of staff."""

from service_kit.audit.queries import EXPORT as AUDIT_LOG
from service_kit.http.export import Section
from service_kit.security import standing

SECTIONS = [Section("account", standing.EXPORT), AUDIT_LOG]
