"""Tax zones, rates and tax ids, and their rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Text
from sqlmodel import Field
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as gb_vat
from stdnum.util import clean

from order_service.base import Base
from service_kit import concurrency
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem, ValidationFailed

MAX_ZONES = 500
MAX_RATES = 200
"""In each zone. Every process has all of them in memory."""
_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class TaxZonesOverlap(Problem, status=409, type="zones-overlap"):
    """The tax zone {name} ({zone_id}) contains {shared} already: an address must lie in one zone only."""


class TaxZoneNameTaken(Problem, status=409, type="tax-zone-name-taken"):
    """Another tax zone is named {name} already."""


class TaxZoneInUse(Problem, status=409, type="tax-zone-in-use"):
    """The zone has tax rates: delete those that have not started. One with a rate that has started can't be deleted,
    so that past orders stay explained: end its rates."""


class TaxZoneUnknown(Problem, status=409, type="tax-zone-unknown"):
    """There is no tax zone {zone_id}."""


class TooManyTaxZones(Problem, status=409, type="too-many-tax-zones"):
    """There can be {limit} tax zones at most."""


class TooManyTaxRates(Problem, status=409, type="too-many-tax-rates"):
    """A tax zone can have {limit} rates at most, including those that have ended."""


class TaxRateOverlaps(Problem, status=409, type="rate-overlaps"):
    """The rate {name} ({rate_id}) of the same zone and class applies at some time of this period: end it first, or let
    this one start when it ends."""


class TaxRateStarted(Problem, status=409, type="rate-started"):
    """The rate applies since {since}, and orders may have been taxed by it: it can't be changed or deleted, only ended.
    Set its `ends_at`, and create another that starts then."""


class TaxRateEnded(Problem, status=409, type="rate-ended"):
    """The rate ended at {ends_at}: what orders were taxed by can't be changed any more."""


class TaxRateEndsTooEarly(Problem, status=409, type="rate-ends-too-early"):
    """A tax rate must end after it has started."""


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

    def check(self) -> None:
        """Raises: ValidationFailed."""
        if self.regions and len(self.countries) != 1:
            raise ValidationFailed.of("regions", "must be regions of one country: name exactly one in `countries`")

    def check_overlaps(self, others: Iterable["TaxZone"]) -> None:
        """A zone of regions lies in one of its whole country without overlapping it: the region's goes first. Raises:
        TaxZonesOverlap."""
        for other in others:
            shared = sorted({*self.countries} & {*other.countries})
            if other.id == self.id or not shared or bool(self.regions) != bool(other.regions):
                continue
            if self.regions and not (shared := sorted({*self.regions} & {*other.regions})):
                continue
            raise TaxZonesOverlap(name=other.name, zone_id=str(other.id), shared=", ".join(shared))


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

    def has_started(self, now: datetime) -> bool:
        return self.starts_at is None or self.starts_at <= now

    def has_ended(self, now: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= now

    def change(self, fields: Mapping[str, Any], now: datetime) -> None:
        """Of a rate that has started, only the end can be changed; an end in the past is replaced by the present.
        Raises: TaxRateStarted, TaxRateEnded, TaxRateEndsTooEarly."""
        changes = {name: value for name, value in fields.items() if getattr(self, name) != value}
        if changes and self.has_started(now):
            if self.has_ended(now):
                raise TaxRateEnded(ends_at=self.ends_at)
            if changes.keys() != {"ends_at"}:
                raise TaxRateStarted(since=self.starts_at or "the beginning")
            changes["ends_at"] = max(changes["ends_at"], now) if changes["ends_at"] else None
        concurrency.change(self, changes)
        self.check_period()

    def check_period(self) -> None:
        """Raises: TaxRateEndsTooEarly."""
        if self.ends_at is not None and self.starts_at is not None and self.ends_at <= self.starts_at:
            raise TaxRateEndsTooEarly

    def check_deletable(self, now: datetime) -> None:
        """Raises: TaxRateStarted."""
        if self.has_started(now):
            raise TaxRateStarted(since=self.starts_at or "the beginning")

    def check_overlaps(self, others: Iterable["TaxRate"]) -> None:
        """`others`: of the same zone. Raises: TaxRateOverlaps."""
        first, last = _EVER
        for other in others:
            if other.id == self.id or other.tax_class != self.tax_class:
                continue
            if (self.starts_at or first) < (other.ends_at or last) and (other.starts_at or first) < (
                self.ends_at or last
            ):
                raise TaxRateOverlaps(name=other.name, rate_id=str(other.id))


class TaxIdState(StrEnum):
    """What the registry has said of a tax id; `unreachable`: it has not answered, and is asked again."""

    UNCHECKED = "unchecked"
    VALID = "valid"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"


class TaxIdMalformed(Problem, status=422, type="tax-id-malformed"):
    """This is no VAT number of a member state of the European Union (DE…, EL… for Greece), Great Britain (GB…) or
    Northern Ireland (XI…): send it with its first two letters, and check the digits."""


_COUNTRIES = {"EL": "GR", "XI": "GB"}
"""The countries of VAT numbers that begin with something else."""


def read_tax_id(text: str) -> tuple[str, str]:
    """The country and the number in its usual form: capitals and digits alone. Raises: TaxIdMalformed."""
    number = clean(text, " -./").strip().upper()
    prefix = number[:2]
    try:
        if prefix == "GB":
            number = f"GB{gb_vat.validate(number)}"
        elif prefix != "GR" and prefix.replace("EL", "GR").lower() in eu_vat.MEMBER_STATES:
            number = eu_vat.validate(number)
        else:
            raise TaxIdMalformed
    except ValidationError as error:
        raise TaxIdMalformed from error
    return _COUNTRIES.get(prefix, prefix), number


class TaxId(Base, table=True):
    """The tax id of a business: one for each customer. The state is that of exactly this number.

    `checked_at`: when the registry was asked last; `check_at`: when it is asked next; `reference`: its proof.
    """

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


@dataclass(frozen=True, slots=True)
class DueTaxId:
    """A tax id that this process asks about until `held_until`. `was_due`: when it should have been."""

    customer_id: UUID
    number: str
    checked_at: datetime | None
    was_due: datetime
    held_until: datetime

    def next_wait(self, first: timedelta) -> timedelta:
        """Twice the wait that ended now, and `first` at least."""
        return max(first, 2 * (self.was_due - self.checked_at)) if self.checked_at else first
