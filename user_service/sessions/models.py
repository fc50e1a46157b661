"""Sessions: one for each sign-in, kept alive by a chain of refresh tokens."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from service_kit.clock import utcnow
from user_service.audit.models import Origin
from user_service.base import Base, Entity
from user_service.settings import Settings

BY_PASSWORD, BY_APP, MULTIPLE = "pwd", "otp", "mfa"
"""Authentication methods of RFC 8176. It has none for a recovery code, so that `mfa` is added without `otp`."""
RETRY_GRACE = timedelta(seconds=10)
"""How long the same program may use a refresh token again: the response to the first use may have been lost."""


class UserSession(Entity, table=True):
    __tablename__ = "sessions"

    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    user_agent: str = ""
    address: str | None = None
    last_used_at: datetime = Field(default_factory=utcnow)
    expires_at: datetime = Field(index=True)
    methods: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{pwd}"))
    """The authentication methods of the sign-in, as RFC 8176 names them (the claim `amr`)."""

    @property
    def has_second_factor(self) -> bool:
        return MULTIPLE in self.methods

    def use(self, origin: Origin, now: datetime, settings: Settings) -> None:
        self.user_agent, self.address, self.last_used_at = origin.user_agent or "", origin.address, now
        idle, longest = timedelta(days=settings.refresh_token_days), timedelta(days=settings.session_days)
        self.expires_at = min(now + idle, self.created_at + longest)


class RefreshToken(Base, table=True):
    """An opaque token, stored as a hash and valid for one use, which creates the session's next one."""

    __tablename__ = "refresh_tokens"

    token_hash: bytes = Field(primary_key=True)
    session_id: UUID = Field(foreign_key="sessions.id", ondelete="CASCADE", index=True)
    created_at: datetime = Field(default_factory=utcnow)
    used_at: datetime | None = None


_BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Mac OS", "Linux")


def device_of(user_agent: str) -> str:
    """A short name, such as "Firefox on Linux"; for other programs, their `User-Agent` up to the first slash."""
    browser = next((name for sign, name in _BROWSERS.items() if sign in user_agent), None)
    system = next((name.replace("Mac OS", "macOS") for name in _SYSTEMS if name in user_agent), None)
    if browser is None:
        return user_agent.partition("/")[0].strip()[:50] or "unknown"
    return f"{browser} on {system}" if system else browser
