"""Shipping zones and methods."""

from collections.abc import Iterable
from datetime import datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from order_service.pricing.shipping import Kind
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem, ValidationFailed

MAX_ZONES = 300
MAX_METHODS = 20


class ZonesOverlap(Problem, status=409, type="zones-overlap"):
    """The zone {name} ({zone_id}) would describe some addresses exactly as well: give one of them regions or postal
    prefixes, or remove what both name."""


class ShippingZoneNameTaken(Problem, status=409, type="shipping-zone-name-taken"):
    """Another shipping zone is named {name} already."""


class ShippingZoneInUse(Problem, status=409, type="shipping-zone-in-use"):
    """The zone still has shipping methods, even if they are disabled: move them to another zone first."""


class ShippingZoneUnknown(Problem, status=409, type="shipping-zone-unknown"):
    """There is no shipping zone {zone_id}."""


class ShippingMethodCodeTaken(Problem, status=409, type="shipping-method-code-taken"):
    """Another shipping method of the same zone has the code {code} already."""


class TooManyShippingZones(Problem, status=409, type="too-many-shipping-zones"):
    """There can be {limit} shipping zones at most."""


class TooManyShippingMethods(Problem, status=409, type="too-many-shipping-methods"):
    """A shipping zone can have {limit} methods at most, including disabled ones."""


class MethodStatus(StrEnum):
    """`disabled`: orders can't choose it any more. Methods are never deleted, since orders name them."""

    ACTIVE = "active"
    DISABLED = "disabled"


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

    def check(self) -> None:
        """Raises: ValidationFailed."""
        if (self.regions or self.postal_prefixes) and not self.countries:
            raise ValidationFailed.of("countries", "must not be empty if regions or postal_prefixes are given")

    def overlaps(self, other: "ShippingZone") -> bool:
        """Whether some address matches both equally exactly, as `pricing.shipping.ShippingZone.match` compares them:
        each part is named by neither, or both name some of the same."""
        parts = ((each.countries, each.regions, each.postal_prefixes) for each in (self, other))
        return all(bool(set(mine) & set(theirs)) or not (mine or theirs) for mine, theirs in zip(*parts, strict=True))

    def check_overlaps(self, others: Iterable["ShippingZone"]) -> None:
        """Raises: ZonesOverlap."""
        for other in others:
            if other.id != self.id and self.overlaps(other):
                raise ZonesOverlap(name=other.name, zone_id=str(other.id))


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
    status: str = MethodStatus.ACTIVE
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)

    def check(self) -> None:
        """Raises: ValidationFailed."""
        if (self.kind == Kind.PICKUP) != (self.warehouse_id is not None):
            raise ValidationFailed.of("warehouse_id", "must be given for a pickup, and for nothing else")
        if self.max_days < self.min_days:
            raise ValidationFailed.of("max_days", "must not be less than min_days")
