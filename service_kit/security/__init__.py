"""Who calls, and what they may do: tokens of the user service, verified here without asking it."""

from service_kit.security.guard import PUBLIC, Requires
from service_kit.security.principal import Principal

__all__ = ["PUBLIC", "Principal", "Requires"]
