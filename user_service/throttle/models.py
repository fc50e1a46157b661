"""Rate limits that all processes of the service share, since they are counted in the database."""

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
    """At most `per_hour` attempts in any hour: half of them at once, the others spread over the hour (GCRA)."""

    name: str
    per_hour: int

    @property
    def burst(self) -> int:
        return (self.per_hour + 1) // 2

    @property
    def interval(self) -> timedelta:
        """The time after which one more attempt is allowed."""
        return HOUR / (self.per_hour - self.burst)

    def rejection(self, full_until: datetime) -> TooManyRequests:
        """The problem for the caller, with the time until the next attempt is allowed."""
        left = full_until + self.interval - self.interval * self.burst - utcnow()
        seconds = max(1, -int(-left.total_seconds() // 1))
        headers = rate_limit_headers(self.name, self.per_hour, seconds, window=3600)
        return TooManyRequests(seconds=seconds, retry_after=seconds, headers=headers)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A limit applied to one key, such as an IP address, or the unknown devices of one account."""

    limit: Limit
    of: str

    @property
    def key(self) -> str:
        return f"{self.limit.name}:{self.of}"


class AttemptBucket(Base, table=True):
    """A bucket that is not full: attempts were counted in it within the last hour."""

    __tablename__ = "tries"
    __table_args__ = (
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000}},
    )

    key: str = Field(primary_key=True)
    full_until: datetime = Field(description="when the whole limit will be available again")


class KnownAddress(Base, table=True):
    """A network from which its account signed in. It has a limit of its own, which unknown devices can't use up."""

    __tablename__ = "known_addresses"

    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", primary_key=True)
    address: str = Field(primary_key=True)
    last_seen_at: datetime = Field(default_factory=utcnow, index=True)
