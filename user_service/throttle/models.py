"""How often something may be tried, counted in the database so that all processes of the service share it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Field

from service_kit.clock import utcnow
from service_kit.problems import TooManyRequests
from service_kit.rate_limit import rate_limit_headers
from user_service.base import Base

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many in any hour: half of them at once, then the other half as the hour goes by (GCRA)."""

    name: str
    per_hour: int

    @property
    def at_once(self) -> int:
        return (self.per_hour + 1) // 2

    @property
    def interval(self) -> timedelta:
        """After so long one more may be tried."""
        return HOUR / (self.per_hour - self.at_once)

    def rejection(self, full_until: datetime) -> TooManyRequests:
        """What the caller is told."""
        left = full_until + self.interval - self.interval * self.at_once - utcnow()
        seconds = max(1, -int(-left.total_seconds() // 1))
        return TooManyRequests(
            seconds=seconds,
            retry_after=seconds,
            headers=rate_limit_headers(self.name, self.per_hour, seconds, window=3600),
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is counted under one key: the tries of one account's strangers, of one address …"""

    limit: Limit
    of: str

    @property
    def key(self) -> str:
        return f"{self.limit.name}:{self.of}"


class AttemptBucket(Base, table=True):
    """A bucket that something was taken out of lately."""

    __tablename__ = "tries"
    __table_args__ = (
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000}},
    )

    key: str = Field(primary_key=True)
    full_until: datetime = Field(description="when nothing of it will be missing any more")


class KnownAddress(Base, table=True):
    """An IP address that its account signed in from: strangers who try don't use up what it may try."""

    __tablename__ = "known_addresses"

    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", primary_key=True)
    address: str = Field(primary_key=True)
    last_seen_at: datetime = Field(default_factory=utcnow, index=True)
