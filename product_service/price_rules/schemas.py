"""Request and response bodies of price rules."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, Field, model_validator

from contracts.money import Money
from product_service.price_rules.models import PriceRule
from product_service.price_rules.queries import MAX_DEMAND_DAYS
from product_service.products.schemas import MAX_AMOUNT
from product_service.text import Line
from service_kit.iso_codes import Currency
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.times import Day

_ID = "0199c1a0-5b00-7a10-8c00-000000000061"


def _time_zone(name: str) -> str:
    """Raises: ValueError."""
    if name not in available_timezones():
        raise ValueError("must be a time zone such as Europe/London")
    return ZoneInfo(name).key


Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["18:00"])]
Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
Ids = Annotated[list[UUID], Field(max_length=1000)]


class Scope(RequestBody):
    """The products that the rule is for: those that are named in one of the lists. All empty: all products."""

    product_ids: Ids = []
    family_ids: Ids = []
    category_ids: Annotated[Ids, Field(description="with their descendants")] = []


class Window(RequestBody):
    """When the rule may apply, by the clock of a time zone. A window over midnight belongs to the day it begins on."""

    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_time_zone)] = "UTC"
    days: Annotated[
        list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7, description="1: Monday; empty: all")
    ] = []
    from_: Clock | None = Field(default=None, alias="from")
    until: Clock | None = Field(default=None, description="the first minute after the window")
    starts_on: Day | None = None
    ends_on: Day | None = Field(default=None, description="the last day")


class When(RequestBody):
    """All conditions that are given must be met."""

    stock_below: int | None = Field(default=None, ge=0, le=MAX_AMOUNT, description="fewer pieces can be ordered")
    stock_above: int | None = Field(default=None, ge=0, le=MAX_AMOUNT)
    demand_below: float | None = Field(default=None, ge=0, le=1e9, description="fewer pieces were ordered per day")
    demand_above: float | None = Field(default=None, ge=0, le=1e9)
    demand_days: int | None = Field(
        default=None, ge=1, le=MAX_DEMAND_DAYS, description="of how many days, today among them; needed for demand"
    )

    @model_validator(mode="after")
    def _demand_has_days(self) -> "When":
        if (self.demand_below, self.demand_above) != (None, None) and self.demand_days is None:
            raise ValueError("demand_days is needed with demand_below and demand_above")
        return self


class Effect(RequestBody):
    """Exactly one of them; negative: down."""

    percent: float | None = Field(default=None, ge=-99, le=1000, multiple_of=0.01, description="of the base price")
    amount: int | None = Field(default=None, ge=-MAX_AMOUNT, le=MAX_AMOUNT)


_IN: dict[str, Any] = {
    "name": "Scarce",
    "priority": 10,
    "currency": "GBP",
    "scope": {"category_ids": [_ID]},
    "window": {"time_zone": "Europe/London", "days": [5, 6], "from": "18:00", "until": "02:00"},
    "when": {"stock_below": 5},
    "effect": {"percent": 10},
    "floor": None,
    "ceiling": 1080,
    "ending": 99,
    "cooldown_seconds": 900,
}


class PriceRuleIn(RequestBody):
    model_config = examples(_IN)

    name: Line
    priority: int = Field(
        default=0, ge=-1000, le=1000, description="of several rules, the one with the highest applies"
    )
    currency: Currency = Field(description="it applies to products whose base price is in this currency")
    scope: Scope = Scope()
    window: Window = Window()
    when: When = When()
    effect: Effect
    floor: Amount | None = Field(default=None, description="the effect never goes below it")
    ceiling: Amount | None = Field(default=None, description="the effect never goes above it")
    ending: int | None = Field(
        default=None, ge=0, le=99, description="99: 10.99; only if the limits and base price allow"
    )
    cooldown_seconds: int = Field(
        default=900, ge=0, le=86_400, description="the price of a product is changed at most once in this time"
    )

    def columns(self) -> dict[str, Any]:
        percent = self.effect.percent
        return {
            **self.model_dump(
                include={"name", "priority", "currency", "floor", "ceiling", "ending", "cooldown_seconds"}
            ),
            "scope": self.scope.model_dump(mode="json"),
            "time_window": self.window.model_dump(mode="json", by_alias=True),
            "conditions": self.when.model_dump(mode="json"),
            "change_bp": None if percent is None else round(percent * 100),
            "change_amount": self.effect.amount,
        }


class PriceRuleOut(RowOut):
    model_config = examples(
        {"id": _ID, **_IN, "version": 1} | dict.fromkeys(("created_at", "updated_at"), "2026-12-01T00:00:00Z")
    )

    id: UUID
    name: str
    priority: int
    currency: str
    scope: Scope
    window: Window
    when: When
    effect: Effect
    floor: int | None
    ceiling: int | None
    ending: int | None
    cooldown_seconds: int
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of_rule(cls, rule: PriceRule) -> "PriceRuleOut":
        percent = None if rule.change_bp is None else rule.change_bp / 100
        return cls.of(
            rule,
            scope=Scope(**rule.scope),
            window=Window(**rule.time_window),
            when=When(**rule.conditions),
            effect=Effect(percent=percent, amount=rule.change_amount),
        )


class StepOut(BaseModel):
    reason: str
    amount: int


class PreviewIn(RequestBody):
    model_config = examples({"rule": _IN, "replaces": _ID})

    rule: PriceRuleIn
    replaces: UUID | None = Field(
        default=None, description="a rule that doesn't count, since this one would replace it"
    )
    after: UUID | None = Field(default=None, description="`next` of the page before; default: from the first product")
    limit: int = Field(default=100, ge=1, le=1000, description="how many products are looked at")


class PreviewedOut(BaseModel):
    product_id: UUID
    sku: str
    name: str
    base: Money
    wanted: Money | None = Field(description="null: no rule applies, or the base price is what it wants")
    rule_id: UUID | None = Field(description="the rule that wants it; null: the previewed one, or none")
    why: list[StepOut]
    blocked: bool = Field(description="a price that staff scheduled counts, so no rule applies")


class PreviewPage(BaseModel):
    items: list[PreviewedOut] = Field(description="the products for which a rule wants a price, or that are blocked")
    next: UUID | None = Field(description="`after` of the following page; null on the last")
