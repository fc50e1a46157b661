"""A customer's addresses."""

from uuid import UUID

from sqlmodel import Field

from service_kit.problems import Problem
from user_service.base import Entity, Versioned

MAX_ADDRESSES = 20


class TooManyAddresses(Problem, status=409, type="too-many-addresses"):
    """An account can keep {most} addresses: delete one that you don't need any more."""


class SavedAddress(Entity, Versioned, table=True):
    __tablename__ = "addresses"

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
