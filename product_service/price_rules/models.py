"""Price rules: prices that follow stock, demand and time, within limits."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class RuleWithoutEffect(Problem, status=422, type="rule-without-effect"):
    """A rule changes the price by a `percent` or an `amount`: exactly one of them, and not by 0."""


class FloorAboveCeiling(Problem, status=422, type="floor-above-ceiling"):
    """The floor {floor} is above the ceiling {ceiling}: no price could be between them."""


def _json() -> Column[Any]:
    return Column(JSONB, nullable=False)


class PriceRule(Base, table=True):
    """What `rules.Rule` computes with, and when its products were last evaluated because of time alone.

    `is_open`: whether its window was open then; null: its products have to be evaluated. `demand_on`: the day of the
    demand that was used then.
    """

    __tablename__ = "price_rules"
    __table_args__ = (
        CheckConstraint("(change_bp IS NULL) <> (change_amount IS NULL)", name="change"),
        CheckConstraint("floor <= ceiling", name="floor"),
        CheckConstraint("ending BETWEEN 0 AND 99", name="ending"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str
    priority: int
    currency: str
    scope: dict[str, Any] = Field(sa_column=_json())
    time_window: dict[str, Any] = Field(sa_column=_json())
    conditions: dict[str, Any] = Field(sa_column=_json())
    change_bp: int | None = Field(default=None, description="in hundredths of a percent; negative: down")
    change_amount: int | None = Field(default=None, sa_type=BigInteger, description="negative: down")
    floor: int | None = Field(default=None, sa_type=BigInteger)
    ceiling: int | None = Field(default=None, sa_type=BigInteger)
    ending: int | None = Field(default=None, description="the last two digits of a price")
    cooldown_seconds: int
    is_open: bool | None = None
    demand_on: date | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)

    def check(self) -> None:
        """Raises: RuleWithoutEffect, FloorAboveCeiling."""
        if (self.change_bp is None) == (self.change_amount is None) or not (self.change_bp or self.change_amount):
            raise RuleWithoutEffect
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise FloorAboveCeiling(floor=self.floor, ceiling=self.ceiling)


class ProductDemand(Base, table=True):
    """How many pieces of a product were ordered on a day (UTC), also by orders that were cancelled later."""

    __tablename__ = "product_demand"

    product_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    pieces: int = Field(sa_type=BigInteger)
