"""Bodies of requests and responses about promotions."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from order_service.base import MAX_QUANTITY
from order_service.pricing.amounts import Amounts
from order_service.pricing.promotions import Stage
from order_service.pricing.rates import parts_per_million, rate_text
from order_service.promotions.models import MAX_CODES, Promotion, PromotionStatus
from service_kit.iso_codes import Country, Currency
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed
from service_kit.times import Time

EXAMPLE_ID = "0199c1a0-5b00-7a10-8c00-000000000021"
Name = Annotated[str, Trimmed(200), Printable]
Code = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,39}$"),
    AfterValidator(str.upper),
    Field(description="letters, digits, hyphens and underscores; capitals and small letters are the same"),
]
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,19}$"), AfterValidator(str.upper)]
PositiveRate = Annotated[
    str,
    StringConstraints(pattern=r"^(0\.[0-9]*[1-9][0-9]*|1(\.0+)?)$", max_length=8),
    Field(description="a decimal number above 0, at most 1, with at most six decimals: `0.15` is 15 %"),
]
Count = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
UseLimit = Annotated[int, Field(ge=1, le=2**31 - 1)]
Priority = Annotated[int, Field(ge=-1000, le=1000, description="of one stage, the highest applies first")]
Ids = Annotated[list[UUID], Field(max_length=1000)]
Methods = Annotated[list[Annotated[str, Trimmed(40), Printable]], Field(max_length=50)]


class ScopeIn(RequestBody):
    """The lines that it is for: of these products, of products in these families, or in one of these categories or
    below it. Empty: all lines."""

    product_ids: Ids = []
    category_ids: Ids = []
    family_ids: Ids = []
    exclude_product_ids: Ids = []


class PercentIn(RequestBody):
    rate: PositiveRate
    most: Amounts = {}


class FreeShippingIn(RequestBody):
    methods: Methods = Field(default=[], description="codes of shipping methods; empty: by any")
    most: Amounts = {}


class BuyGetIn(RequestBody):
    """Who buys `buy` pieces of the scope gets `get` pieces of `get_scope` reduced by `rate`. The discount is divided
    over all of these pieces, so that a return of any of them refunds its share."""

    buy: Count
    get: Count
    rate: PositiveRate
    get_scope: ScopeIn | None = Field(default=None, description="default: the scope of the promotion")
    most_times: Count | None = None


class EffectIn(RequestBody):
    """What it takes off: exactly one of `percent`, `amount`, `free_shipping` and `buy_get`."""

    model_config = examples({"percent": {"rate": "0.15"}}, {"amount": {"GBP": 500}})

    percent: PercentIn | None = None
    amount: Amounts | None = Field(default=None, description="an amount by currency, off the sum of the lines")
    each: bool = Field(default=False, description="with `amount`: off each piece instead")
    free_shipping: FreeShippingIn | None = None
    buy_get: BuyGetIn | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(each is not None for each in (self.percent, self.amount, self.free_shipping, self.buy_get)) != 1:
            raise ValueError("give exactly one of percent, amount, free_shipping and buy_get")
        if self.amount == {}:
            raise ValueError("amount needs at least one currency")
        if self.each and self.amount is None:
            raise ValueError("each goes with amount")
        return self

    def stored(self) -> dict[str, Any]:
        """As `pricing.promotions` reads it."""
        if self.amount is not None:
            return {"kind": "amount", "amounts": self.amount, "each": self.each}
        [(kind, body)] = self.model_dump(mode="json", exclude_none=True, exclude={"each"}).items()
        if "rate" in body:
            body["rate"] = parts_per_million(body["rate"])
        return {"kind": kind, **body}


class ConditionsIn(RequestBody):
    """What an order must meet; all of it."""

    minimum: Amounts = Field(
        default={}, description="by currency: what the lines in scope come to, after promotions of before"
    )
    pieces: int = Field(default=0, ge=0, le=MAX_QUANTITY)
    countries: list[Country] = Field(default=[], max_length=250, description="of the shipping address")
    customer_groups: list[UUID] = Field(default=[], max_length=100)
    first_order: bool = Field(default=False, description="only for a customer without another order")


class _PromotionBody(RequestBody):
    def columns(self) -> dict[str, Any]:
        """The columns that the request sets: of a change those of the fields that it contains, otherwise all."""
        given = self.model_fields_set if isinstance(self, PromotionChange) else set(type(self).model_fields)
        stored: dict[str, Any] = {name: getattr(self, name) for name in given}
        for name, column in (("limit", "use_limit"), ("limit_per_customer", "use_limit_per_customer")):
            if name in stored:
                stored[column] = stored.pop(name)
        if "effect" in stored:
            stored["effect"] = stored["effect"].stored()
        if "scope" in stored:
            stored["scope"] = stored["scope"].model_dump(mode="json")
        if "conditions" in stored:
            stored["conditions"] = stored["conditions"].model_dump(mode="json")
        return stored


class PromotionIn(_PromotionBody):
    model_config = examples(
        {"name": "15 % off candles", "stage": "lines", "effect": {"percent": {"rate": "0.15"}},
         "scope": {"category_ids": ["0199c1a0-5b00-7a10-8c00-000000000003"]}, "automatic": True},
        {"name": "Welcome", "stage": "order", "effect": {"amount": {"GBP": 500}},
         "conditions": {"minimum": {"GBP": 2500}}, "code": "WELCOME10", "limit": 1000, "limit_per_customer": 1},
    )  # fmt: skip

    name: Name
    stage: Stage = Field(
        description="`lines` are reduced first, then the `order` (divided over its lines), then `shipping`"
    )
    effect: EffectIn
    scope: ScopeIn = ScopeIn()
    conditions: ConditionsIn = ConditionsIn()
    automatic: bool = Field(default=False, description="applies to every order without a code, and has no limits")
    code: Code | None = Field(default=None, description="one that all customers share; others can be made afterwards")
    limit: UseLimit | None = Field(default=None, description="how many orders can use it")
    limit_per_customer: UseLimit | None = Field(default=None, description="how many of one e-mail address can")
    priority: Priority = 0
    stops: bool = Field(default=False, description="if it takes something off, no other applies after it in its stage")
    starts_at: Time | None = None
    ends_at: Time | None = None


class PromotionChange(_PromotionBody):
    """An absent field is not changed; null removes `code`, a limit or a time."""

    model_config = examples({"limit": 2000}, {"ends_at": "2027-01-31T23:59:59Z"})

    name: Name = ""
    stage: Stage = Stage.LINES
    effect: EffectIn = Field(default_factory=EffectIn.model_construct)
    scope: ScopeIn = ScopeIn()
    conditions: ConditionsIn = ConditionsIn()
    automatic: bool = False
    code: Code | None = None
    limit: UseLimit | None = None
    limit_per_customer: UseLimit | None = None
    priority: Priority = 0
    stops: bool = False
    starts_at: Time | None = None
    ends_at: Time | None = None


class ScopeOut(BaseModel):
    product_ids: list[UUID]
    category_ids: list[UUID]
    family_ids: list[UUID] = []
    exclude_product_ids: list[UUID]


class BuyGetOut(BaseModel):
    buy: int
    get: int
    rate: str
    get_scope: ScopeOut | None = None
    most_times: int | None = None


class PercentEffect(BaseModel):
    percent: PercentIn


class AmountEffect(BaseModel):
    amount: dict[str, int]
    each: bool


class FreeShippingEffect(BaseModel):
    free_shipping: FreeShippingIn


class BuyGetEffect(BaseModel):
    buy_get: BuyGetOut


class PromotionOut(BaseModel):
    """A promotion, in the form of the request that creates one."""

    id: UUID
    name: str
    status: PromotionStatus
    stage: Stage
    effect: PercentEffect | AmountEffect | FreeShippingEffect | BuyGetEffect
    scope: ScopeOut
    conditions: ConditionsIn
    automatic: bool
    code: str | None
    limit: int | None
    limit_per_customer: int | None
    priority: int
    stops: bool
    starts_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: Promotion) -> "PromotionOut":
        values = row.model_dump()
        values["limit"], values["limit_per_customer"] = row.use_limit, row.use_limit_per_customer
        return cls.model_validate({**values, "effect": effect_out(row.effect)})


def effect_out(stored: dict[str, Any]) -> dict[str, Any]:
    """The effect in the form of a request."""
    body = {name: value for name, value in stored.items() if name != "kind"}
    if stored["kind"] == "amount":
        return {"amount": body["amounts"], "each": body["each"]}
    if "rate" in body:
        body["rate"] = rate_text(body["rate"])
    return {stored["kind"]: body}


class CodesIn(RequestBody):
    model_config = examples({"count": 500, "prefix": "SPRING", "limit_per_code": 1})

    count: int = Field(ge=1, le=MAX_CODES)
    prefix: Prefix | None = Field(default=None, description="stands before each of them, with a hyphen")
    limit_per_code: UseLimit = Field(default=1, description="how many orders can use each of them")


class CodesMade(BaseModel):
    model_config = examples({"codes": ["SPRING-7KQ2M9XWTB4D"]})

    codes: list[str] = Field(description="random, in no particular order")


class CodeOut(RowOut):
    model_config = examples({"code": "SPRING-7KQ2M9XWTB4D", "used": 0, "limit": 1})

    code: str
    used: int = Field(description="how many orders have used it and not released it; 0 for one without a limit")
    limit: int | None = Field(description="null: only the limits of the promotion count")


class RedemptionOut(RowOut):
    model_config = examples(
        {"order_id": EXAMPLE_ID, "number": "100001", "code": "WELCOME10", "amount": 500, "currency": "GBP",
         "at": "2026-12-01T00:00:00Z", "released_at": None}
    )  # fmt: skip

    order_id: UUID
    number: str = Field(description="the number of the order")
    code: str
    amount: int = Field(description="what it took off the order, in minor units")
    currency: Currency
    at: datetime
    released_at: datetime | None = Field(description="set if the order was rejected, cancelled or expired")


class UsesOut(RowOut):
    model_config = examples({"used": 41, "released": 3, "limit": 1000, "left": 959, "codes": 1})

    used: int = Field(description="orders that were placed with it and have not released it")
    released: int
    limit: int | None
    left: int | None = Field(description="how many orders can still use it; null: no limit")
    codes: int = Field(description="how many codes it has")
