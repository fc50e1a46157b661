"""What is held about a person; and all that is: what their account may do."""

from service_kit.http.export import Section
from service_kit.security import standing

SECTIONS = [Section("account", standing.EXPORT)]
