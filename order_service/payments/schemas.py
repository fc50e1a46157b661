"""Bodies of requests and answers about payments and refunds."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money
from order_service.payments.models import Payment, PaymentState, Refund, RefundState
from service_kit.schemas import RequestBody


class PaymentIn(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "tok_ok"}]})

    token: str = Field(min_length=1, max_length=200, description="the card, as the gateway's own form gave it")


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
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            customer_id=payment.customer_id,
            status=PaymentState(payment.status),
            amount=Money(amount=payment.amount, currency=payment.currency),
            gateway=payment.gateway,
            gateway_charge_id=payment.gateway_charge_id,
            failure_reason=payment.failure_reason,
            created_at=payment.created_at,
            settled_at=payment.settled_at,
            next_action=_action(payment.action_type, payment.action_url),
        )


def _action(type: str | None, url: str | None) -> NextActionOut | None:
    return NextActionOut(type=type, url=url) if type and url else None


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
    note: str | None = Field(description="what staff have noted; only staff see it")
    requested_by: UUID | None = Field(description="null: by itself, for a return or since no order wanted the money")
    return_id: UUID | None = Field(description="of the return whose goods it gives the price back of")
    failure_reason: str | None = Field(description="a code, the gateway's where it has one: `refund-above-charge`")
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, refund: Refund, *, for_staff: bool) -> Self:
        return cls(
            id=refund.id,
            payment_id=refund.payment_id,
            order_id=refund.order_id,
            status=RefundState(refund.status),
            amount=Money(amount=refund.amount, currency=refund.currency),
            reason=refund.reason,
            note=refund.note if for_staff else None,
            requested_by=refund.requested_by,
            return_id=refund.return_id,
            failure_reason=refund.failure_reason,
            created_at=refund.created_at,
            settled_at=refund.settled_at,
        )
