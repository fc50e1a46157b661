"""The tables of the user service: each domain's, and the kit's."""

from service_kit.database import add_kit_tables
from user_service.accounts import models as accounts
from user_service.addresses import models as addresses
from user_service.auth import models as auth
from user_service.base import Base
from user_service.keys import models as keys

metadata = Base.metadata
add_kit_tables(metadata)

__all__ = ["Base", "accounts", "addresses", "auth", "keys", "metadata"]
