"""Bodies of requests and responses about payments and refunds."""

import unicodedata
from datetime import date, datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.money import Money
from order_service.payments.models import Payment, PaymentState, Refund, RefundState, money
from service_kit.clock import utcnow
from service_kit.schemas import RequestBody, examples
from service_kit.text import Printable, Trimmed
from service_kit.times import Day


class PaymentIn(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "tok_ok"}]})

    token: str = Field(min_length=1, max_length=200, description="the card's token, from the gateway's own form")


class NextActionOut(BaseModel):
    type: str = Field(examples=["redirect"])
    url: str = Field(description="the gateway's page, for the customer's browser")


class PaymentOut(BaseModel):
    id: UUID
    order_id: UUID
    customer_id: UUID
    status: PaymentState
    amount: Money
    gateway: str = Field(examples=["sandbox"])
    gateway_charge_id: str | None
    failure_reason: str | None = Field(description="a code, the gateway's where it has one: `card_declined`")
    created_at: datetime
    settled_at: datetime | None
    next_action: NextActionOut | None = Field(
        default=None, description="what the customer must do while it is `action_required`"
    )

    @classmethod
    def of(cls, payment: Payment) -> Self:
        action = {"type": payment.action_type, "url": payment.action_url} if payment.action_type else None
        return cls(**payment.model_dump(exclude={"amount"}), amount=money(payment), next_action=action)


def _not_in_the_future(day: date) -> date:
    """Raises: ValueError. The day may have begun in a time zone east of UTC."""
    if day > utcnow().date() + timedelta(days=1):
        raise ValueError("received_on is in the future: record the transfer when it has arrived")
    return day


Reference = Annotated[
    str,
    Trimmed(140),
    Printable,
    AfterValidator(lambda text: " ".join(unicodedata.normalize("NFKC", text).split()).upper()),
    Field(description="the bank's reference of the transfer; spaces and case make no difference"),
]


class BankTransferIn(RequestBody):
    """Money that arrived in the shop's bank account. The customer sees `reason`, in the history of the order."""

    model_config = examples(
        {"amount": 2000, "reference": "E2E-4711", "reason": "your transfer of 27 November", "received_on": "2026-11-27"}
    )

    amount: int = Field(gt=0, le=10**12, description="in the minor unit of the order's currency")
    reference: Reference
    reason: str = Field(min_length=1, max_length=500, description="for the customer")
    note: str | None = Field(default=None, max_length=500, description="for staff alone")
    received_on: Annotated[Day, AfterValidator(_not_in_the_future)] = Field(description="the bank's value date")


class RefundConfirmationIn(RequestBody):
    model_config = examples({"reference": "E2E-4712"})

    reference: Reference


class RefundFailureIn(RequestBody):
    model_config = examples({"reason": "account-closed"})

    reason: str = Field(min_length=1, max_length=200, description="why it could not be transferred, for the customer")


class RefundIn(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 250, "reason": "damaged"}]})

    amount: Annotated[int, Field(gt=0, le=10**12)] | None = Field(
        default=None, description="in the minor unit of the payment's currency; absent: all that is left"
    )
    reason: str | None = Field(default=None, max_length=500, description="for the customer")
    note: str | None = Field(default=None, max_length=500, description="for staff alone")


class RefundOut(BaseModel):
    id: UUID
    payment_id: UUID
    order_id: UUID
    status: RefundState
    amount: Money
    reason: str | None
    note: str | None = Field(description="by staff; only staff see it")
    requested_by: UUID | None = Field(description="null: automatic, for a return or since no order wanted the money")
    return_id: UUID | None = Field(description="the return whose price it refunds")
    failure_reason: str | None = Field(
        description="a code, the gateway's if it has one: `refund-above-charge`; of a bank transfer, a text by staff"
    )
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, refund: Refund, *, for_staff: bool) -> Self:
        note = refund.note if for_staff else None
        return cls(**refund.model_dump(exclude={"amount", "note"}), amount=money(refund), note=note)
