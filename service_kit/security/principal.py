"""The caller, as their token tells."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    user_id: UUID
    permissions: frozenset[str]
    token_id: str
    expires_at: int
    """Seconds since the epoch (the token's `exp`)."""
    issued_at: int = 0
    """Seconds since the epoch (its `iat`)."""

    def may(self, permission: str) -> bool:
        return permission in self.permissions
