"""Refresh tokens: opaque, hashed at rest, each good for one use."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from service_kit.clock import utcnow
from service_kit.problems import Problem
from user_service.base import Base


class InvalidGrant(Problem, status=400, type="invalid-grant"):
    """E-mail address and password don't match, the refresh token is not good any more, or the account is disabled."""


class UnsupportedGrant(Problem, status=400, type="unsupported-grant-type"):
    """`grant_type` must be `password` (with username and password) or `refresh_token` (with refresh_token)."""


class RefreshToken(Base, table=True):
    """One link of a session's chain. A token that comes a second time was stolen: the whole chain ends."""

    __tablename__ = "refresh_tokens"

    token_hash: bytes = Field(primary_key=True)
    session_id: UUID = Field(index=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    created_at: datetime = Field(default_factory=utcnow)
    expires_at: datetime = Field(index=True)
    used_at: datetime | None = None
