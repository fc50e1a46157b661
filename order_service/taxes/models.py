"""Tax zones, rates and tax ids, and their rules."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Text
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7


class TaxZone(Base, table=True):
    """As `pricing.tax.TaxZone`. Regions are stored in lower case."""

    __tablename__ = "tax_zones"
    __table_args__ = (
        CheckConstraint("rounding IN ('line', 'rate')", name="rounding"),
        CheckConstraint("mode IN ('half_up', 'down')", name="mode"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = Field(unique=True)
    countries: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    regions: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    rounding: str = "line"
    mode: str = "half_up"
    prices_include_tax: bool = True
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)


class TaxRate(Base, table=True):
    """As `pricing.tax.TaxRate`: `rate` is in parts per million. Two rates of one zone and class never overlap in
    time."""

    __tablename__ = "tax_rates"
    __table_args__ = (
        CheckConstraint("rate BETWEEN 0 AND 1000000", name="rate"),
        CheckConstraint("ends_at > starts_at", name="period"),
        Index("ix_tax_rates_zone_id", "zone_id", "tax_class"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    zone_id: UUID = Field(foreign_key="tax_zones.id")
    tax_class: str
    rate: int
    name: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)


class TaxIdState(StrEnum):
    """What the registry has said of a tax id; `unreachable`: it has not answered, and is asked again."""

    UNCHECKED = "unchecked"
    VALID = "valid"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"


class TaxId(Base, table=True):
    """The tax id of a business: one for each customer. `reference`: the registry's proof of the check."""

    __tablename__ = "tax_ids"
    __table_args__ = (
        CheckConstraint("state IN ('unchecked', 'valid', 'invalid', 'unreachable')", name="state"),
        Index("ix_tax_ids_check_at", "check_at"),
    )

    customer_id: UUID = Field(primary_key=True)
    country: str
    number: str
    state: str = TaxIdState.UNCHECKED
    checked_at: datetime | None = None
    check_at: datetime | None = Field(default_factory=utcnow, description="when the registry is asked next")
    reference: str | None = None
