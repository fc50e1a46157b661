"""The tables of the user service: each domain's, and the kit's."""

from service_kit.database import add_kit_tables
from user_service.accounts import models as accounts
from user_service.addresses import models as addresses
from user_service.api_clients import models as api_clients
from user_service.audit import models as audit
from user_service.base import Base
from user_service.customer_groups import models as customer_groups
from user_service.keys import models as keys
from user_service.mails import models as mails
from user_service.mfa import models as mfa
from user_service.roles import models as roles
from user_service.sessions import models as sessions
from user_service.throttle import models as throttle

metadata = Base.metadata
add_kit_tables(metadata, audit_log=False)

__all__ = [
    "Base", "accounts", "addresses", "api_clients", "audit", "customer_groups", "keys", "mails", "metadata", "mfa",
    "roles", "sessions", "throttle",
]  # fmt: skip
