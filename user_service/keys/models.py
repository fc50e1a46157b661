"""The keys that access tokens are signed with, and the schedule of their rotation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Field

from service_kit.clock import utcnow
from user_service.base import Base
from user_service.settings import Settings

CLOCKS_APART = timedelta(minutes=1)
"""The most by which the clocks of two machines may differ."""


class SigningKey(Base, table=True):
    """An RSA key. It is published from its creation on, and signs from `signs_from` until the next key signs."""

    __tablename__ = "signing_keys"

    id: str = Field(primary_key=True, description="the `kid`")
    encrypted_private_key: bytes
    created_at: datetime = Field(default_factory=utcnow)
    signs_from: datetime = Field(default_factory=utcnow)


@dataclass(frozen=True)
class Schedule:
    """When keys change. `refresh`: the interval in which verifiers fetch the keys."""

    refresh: timedelta
    token_lifetime: timedelta
    key_lifetime: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "Schedule":
        refresh = timedelta(seconds=settings.jwks_refresh_seconds)
        return cls(refresh, settings.access_token_lifetime, timedelta(days=settings.key_lifetime_days))

    @property
    def ahead(self) -> timedelta:
        """How long a new key is published before it signs, so that a verifier may fail to fetch the keys once."""
        return 2 * self.refresh

    @property
    def lingers(self) -> timedelta:
        """How long a key stays published once the next one signs. Other processes of this service may sign with it
        until they read the keys again, and their last token is valid for its whole lifetime."""
        return self.token_lifetime + 2 * self.refresh + CLOCKS_APART

    def published(self, keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
        """Those of `keys` (in the order in which they sign) that verify tokens now."""
        following = [key.signs_from for key in keys[1:]]
        retired = sum(signs_from + self.lingers <= now for signs_from in following)
        return list(keys[retired:])

    def rotation_due(self, keys: Sequence[SigningKey], now: datetime) -> bool:
        return bool(keys) and keys[-1].signs_from + self.key_lifetime <= now
