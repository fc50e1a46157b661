"""A customer's addresses."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem
from user_service.base import Base

MOST = 20


class TooManyAddresses(Problem, status=409, type="too-many-addresses"):
    """An account can keep {most} addresses: delete one that you don't need any more."""


class SavedAddress(Base, table=True):
    __tablename__ = "addresses"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)
    label: str | None = None
    name: str
    company: str | None = None
    line1: str
    line2: str | None = None
    city: str
    region: str | None = None
    postal_code: str | None = None
    country: str
    phone: str | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
