"""API clients: programs that call the services in their own name, with a secret instead of a password."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from service_kit.problems import Problem
from user_service.base import Entity, Versioned

MAX_SECRETS = 2
"""The secret that a program uses, and the next one, until the program is configured with it."""


class TooManySecrets(Problem, status=409, type="too-many-secrets"):
    """A client has at most {most} secrets: delete the one that is not in use any more first."""


class LastSecret(Problem, status=409, type="last-secret"):
    """This is the client's only secret: make another one first, or disable the client."""


class OwnerNotActive(Problem, status=409, type="owner-not-active"):
    """An API client belongs to a person whose account is active, and {owner_id} is none: name another `owner_id`."""


class EndsTooLate(Problem, status=422, type="ends-too-late"):
    """An API client lasts for {days} days at most, from now on, and not into the past: name an `expires_at` until
    {latest}, and extend it when the time comes."""


class ApiClient(Entity, Versioned, table=True):
    """Its id is the `sub` and `client_id` of its tokens. It is disabled when its owner is disabled or erased."""

    __tablename__ = "api_clients"

    name: str
    permissions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    active: bool = True
    created_by: UUID
    owner_id: UUID = Field(index=True)
    expires_at: datetime | None = None
    """None for clients that were created before end dates were introduced."""

    def is_usable(self, now: datetime) -> bool:
        return self.active and (self.expires_at is None or now < self.expires_at)

    def recorded(self) -> dict[str, object]:
        """The fields that the audit log records."""
        return self.model_dump(mode="json", include={"name", "permissions", "active", "owner_id", "expires_at"})


class ClientSecret(Entity, table=True):
    """A secret, of which only the hash is stored (`base.hash_of`)."""

    __tablename__ = "api_client_secrets"

    client_id: UUID = Field(foreign_key="api_clients.id", ondelete="CASCADE", index=True)
    secret_hash: bytes
    last_used_at: datetime | None = None


def matching(secrets: Sequence[ClientSecret], hashed: bytes) -> ClientSecret | None:
    """The secret with this hash. The comparison takes constant time, so that its duration reveals nothing."""
    return next((s for s, same in [(s, hmac.compare_digest(s.secret_hash, hashed)) for s in secrets] if same), None)
