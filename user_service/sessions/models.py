"""Sessions: where somebody is signed in, each kept alive by a chain of refresh tokens."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from service_kit.clock import utcnow
from service_kit.ids import uuid7
from user_service.audit.models import Origin
from user_service.base import Base
from user_service.settings import Settings

BY_PASSWORD, BY_APP, MULTIPLE = "pwd", "otp", "mfa"
"""RFC 8176. A recovery code has no word of its own there: it shows in MULTIPLE alone."""
RETRY_GRACE = timedelta(seconds=10)
"""For so long a refresh token that was used may come again from the same client: its answer may have got lost."""


@dataclass(frozen=True)
class Lifetimes:
    """How long a session lasts: `idle` after its last use, and `longest` in all."""

    idle: timedelta
    longest: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "Lifetimes":
        return cls(timedelta(days=settings.refresh_token_days), timedelta(days=settings.session_days))


class UserSession(Base, table=True):
    __tablename__ = "sessions"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    user_agent: str = ""
    address: str | None = None
    created_at: datetime = Field(default_factory=utcnow)
    last_used_at: datetime = Field(default_factory=utcnow)
    expires_at: datetime = Field(index=True)
    methods: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{pwd}"))
    """What its owner has proven who they are by, in the words of RFC 8176 (`amr`)."""

    @property
    def has_second_factor(self) -> bool:
        return MULTIPLE in self.methods

    def use(self, origin: Origin, now: datetime, lifetimes: Lifetimes) -> None:
        self.user_agent, self.address, self.last_used_at = origin.user_agent or "", origin.address, now
        self.expires_at = min(now + lifetimes.idle, self.created_at + lifetimes.longest)


class RefreshToken(Base, table=True):
    """One link of a session's chain: opaque, hashed at rest, good for one use."""

    __tablename__ = "refresh_tokens"

    token_hash: bytes = Field(primary_key=True)
    session_id: UUID = Field(foreign_key="sessions.id", ondelete="CASCADE", index=True)
    created_at: datetime = Field(default_factory=utcnow)
    used_at: datetime | None = None


def hash_of(token: str) -> bytes:
    """SHA-256 is enough: the token has 256 bits that nobody can guess."""
    return hashlib.sha256(token.encode()).digest()


def as_token(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


_BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS": "macOS"}


def device_of(user_agent: str) -> str:
    """A few words for people: "Firefox on Linux"; else the program's own name."""
    systems = {**_SYSTEMS, "Linux": "Linux"}
    browser = next((name for sign, name in _BROWSERS.items() if sign in user_agent), None)
    system = next((name for sign, name in systems.items() if sign in user_agent), None)
    if browser is None:
        return user_agent.partition("/")[0].strip()[:50] or "unknown"
    return f"{browser} on {system}" if system else browser
