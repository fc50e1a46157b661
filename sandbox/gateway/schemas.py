from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MinorUnits = Annotated[int, Field(strict=True, gt=0, le=10**12, description="in the currency's minor unit")]


class Token(StrEnum):
    OK = "tok_ok"
    DECLINED = "tok_declined"
    LATE = "tok_late"
    DUPLICATE = "tok_duplicate"
    LOST_ANSWER = "tok_lost_answer"
    SLOW_ANSWER = "tok_slow_answer"
    REVERSED = "tok_reversed"
    NO_WEBHOOK = "tok_no_webhook"
    ACTION_REQUIRED = "tok_action_required"
    AUTHORISED = "tok_authorised"


class ChargeIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"amount": 1250, "currency": "GBP", "token": "tok_ok", "reference": "order-1", "metadata": {}}
        },
    )

    amount: MinorUnits
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")
    token: Token
    reference: str = Field(min_length=1, max_length=200, description="the caller's id for what is paid")
    metadata: dict[str, str] = Field(default_factory=dict, max_length=50)
    capture: bool = Field(default=True, strict=True, description="false: only authorise, to capture or cancel later")


class CaptureIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"amount": 1250}})

    amount: MinorUnits | None = Field(default=None, description="default: all; the rest is released")


class RefundIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"amount": 250, "reason": "damaged"}})

    amount: MinorUnits
    reason: str | None = Field(default=None, max_length=500)


class NextAction(BaseModel):
    type: Literal["redirect"]
    url: str = Field(description="the page on which the customer confirms or rejects")


class Charge(BaseModel):
    id: str
    status: Literal["pending", "action_required", "authorised", "succeeded", "declined", "voided"]
    amount: int
    currency: str
    reference: str
    metadata: dict[str, str]
    token: str
    idempotency_key: str
    failure_reason: str | None
    next_action: NextAction | None = Field(description="what the customer must do; null unless `action_required`")
    captured: int = Field(description="how much of the amount was captured")
    refunded: int = Field(description="how much of the amount was refunded")
    created: int = Field(description="Unix time in seconds")


class Refund(BaseModel):
    id: str
    charge_id: str
    status: str = Field(description="pending or succeeded")
    amount: int
    currency: str
    reference: str = Field(description="that of the charge")
    reason: str | None
    idempotency_key: str
    created: int = Field(description="Unix time in seconds")


class Charges(BaseModel):
    items: list[Charge]
    next: str | None = Field(description="the cursor of the next page; null: the last")


class Refunds(BaseModel):
    items: list[Refund]
    next: str | None = Field(description="the cursor of the next page; null: the last")


class Totals(BaseModel):
    captured: int
    refunded: int
    charges: int
    pending: int
    succeeded: int
    declined: int
    action_required: int
    authorised: int
    voided: int
    refunds: int


class Webhooks(BaseModel):
    owed: int
    abandoned: int


class Books(BaseModel):
    totals: dict[str, Totals] = Field(description="by currency")
    webhooks: Webhooks
    charges: Charges
    refunds: Refunds


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON Schema with definitions inlined: FastAPI does not collect those of hand-written entries."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        if reference := field.get("$ref"):
            schema["properties"][name] = definitions[reference.rpartition("/")[2]]
    return schema


class ProblemOut(BaseModel):
    type: str
    title: str
    status: int
    detail: str
