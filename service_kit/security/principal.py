"""The caller, as described by the access token."""

from dataclasses import dataclass
from uuid import UUID

FIRST_PARTY = "online-mart"
"""The `client_id` of people's tokens; an API client's tokens carry its own id."""


@dataclass(frozen=True, slots=True)
class Principal:
    user_id: UUID
    """The account's id; of an API client, the client's, which owns nothing."""
    permissions: frozenset[str]
    token_id: str
    expires_at: int
    """Seconds since the epoch (the token's `exp`)."""
    issued_at: int = 0
    """Seconds since the epoch (its `iat`)."""
    client_id: str = FIRST_PARTY
    session_id: UUID | None = None
    authenticated_at: int = 0
    """Seconds since the epoch: when the owner last proved who they are (its `auth_time`)."""

    @property
    def is_person(self) -> bool:
        return self.client_id == FIRST_PARTY

    def may(self, permission: str) -> bool:
        return permission in self.permissions
