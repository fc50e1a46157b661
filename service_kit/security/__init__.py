"""Authentication and authorization of callers. Tokens of the user service are verified without a request to it."""

from service_kit.security.guard import (
    PUBLIC,
    PUBLIC_OR_SIGNED_IN,
    MaybePrincipal,
    PersonRequired,
    Requires,
    still_may,
)
from service_kit.security.principal import Principal

__all__ = ["PUBLIC", "PUBLIC_OR_SIGNED_IN", "MaybePrincipal", "PersonRequired", "Principal", "Requires", "still_may"]
