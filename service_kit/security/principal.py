"""The caller of a request, as its access token describes it."""

from dataclasses import dataclass
from uuid import UUID

FIRST_PARTY = "online-mart"
"""The `client_id` of people's tokens; an API client's tokens carry its own id."""


@dataclass(frozen=True, slots=True)
class Principal:
    user_id: UUID
    """The id of the account, or of the API client, which owns no orders or other data."""
    permissions: frozenset[str]
    token_id: str
    expires_at: int
    """Seconds since the epoch (the token's `exp`)."""
    issued_at: int = 0
    """Seconds since the epoch (the token's `iat`)."""
    client_id: str = FIRST_PARTY
    session_id: UUID | None = None
    authenticated_at: int = 0
    """Seconds since the epoch: when the owner was last authenticated (the token's `auth_time`)."""

    is_guest: bool = False
    """Whether it is an account without a password (the token's `roles`)."""

    @property
    def is_person(self) -> bool:
        return self.client_id == FIRST_PARTY

    def may(self, permission: str) -> bool:
        return permission in self.permissions
