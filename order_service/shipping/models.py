"""Shipping zones and methods."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7


class ShippingZone(Base, table=True):
    """As `pricing.shipping.ShippingZone`. Regions are stored in lower case, prefixes in capitals without blanks."""

    __tablename__ = "shipping_zones"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = Field(unique=True)
    countries: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    regions: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    postal_prefixes: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)


class ShippingMethod(Base, table=True):
    """As `pricing.shipping.ShippingMethod`; those of a zone are offered by `position`, then by code. `disabled`: it is
    not offered."""

    __tablename__ = "shipping_methods"
    __table_args__ = (
        UniqueConstraint("zone_id", "code"),
        CheckConstraint("kind IN ('delivery', 'pickup')", name="kind"),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    zone_id: UUID = Field(foreign_key="shipping_zones.id")
    code: str
    name: str
    kind: str
    warehouse_id: UUID | None = None
    tax: str
    rates: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    free_from: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    min_days: int
    max_days: int
    cutoff: time | None = None
    default_weight: int = 0
    position: int = 0
    status: str = "active"
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
