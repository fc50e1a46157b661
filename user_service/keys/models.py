"""The keys that access tokens are signed with, and the schedule of their rotation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Field

from service_kit.clock import utcnow
from user_service.base import Base
from user_service.settings import Settings

MAX_CLOCK_SKEW = timedelta(minutes=1)
"""How much the clocks of two machines may differ."""


class SigningKey(Base, table=True):
    """An RSA key. It is published from its creation on, and signs from `signs_from` until the next key signs."""

    __tablename__ = "signing_keys"

    id: str = Field(primary_key=True, description="the `kid`")
    encrypted_private_key: bytes
    created_at: datetime = Field(default_factory=utcnow)
    signs_from: datetime = Field(default_factory=utcnow)


@dataclass(frozen=True)
class Schedule:
    """When keys are rotated. `refresh`: the interval at which verifiers fetch the public keys."""

    refresh: timedelta
    token_lifetime: timedelta
    key_lifetime: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "Schedule":
        refresh = timedelta(seconds=settings.jwks_refresh_seconds)
        return cls(refresh, settings.access_token_lifetime, timedelta(days=settings.key_lifetime_days))

    @property
    def lead_time(self) -> timedelta:
        """How long a new key is published before it signs: two intervals, since a verifier may fail to fetch once."""
        return 2 * self.refresh

    @property
    def overlap(self) -> timedelta:
        """How long a key stays published after the next one has begun to sign. Other processes of this service sign
        with the old one until they read the keys again, and the last of these tokens must be valid until it expires."""
        return self.token_lifetime + 2 * self.refresh + MAX_CLOCK_SKEW

    def published(self, keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
        """The keys that verify tokens now. `keys` must be in the order in which they sign."""
        following = [key.signs_from for key in keys[1:]]
        retired = sum(signs_from + self.overlap <= now for signs_from in following)
        return list(keys[retired:])

    def rotation_due(self, keys: Sequence[SigningKey], now: datetime) -> bool:
        return bool(keys) and keys[-1].signs_from + self.key_lifetime <= now
