"""Bodies of requests and responses about payment links."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money
from order_service.orders.schemas import LineOut, Total
from order_service.payments.models import Payment, PaymentState, money
from order_service.payments.schemas import NextActionOut, PaymentIn
from order_service.pricing.schemas import OrderQuoteOut


class PaymentLinkOut(BaseModel):
    token: str = Field(
        description="shown this once: in the customer's URL it belongs after a `#`, which browsers send to no server"
    )
    expires_at: datetime = Field(description="an order that a draft became can be paid until its own `pay_by`")


class LinkPaymentIn(PaymentIn):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"token": "tok_ok", "expected_total": {"amount": 2000, "currency": "GBP"}}]}
    )

    expected_total: Total | None = Field(
        default=None, description="`to_pay` as it was shown; any other is rejected (`price-changed`)"
    )


class PayableOut(BaseModel):
    """What a link is for. It names nobody."""

    order_number: str | None = Field(description="null: it becomes an order when it is paid")
    lines: list[LineOut]
    quote: OrderQuoteOut | None = Field(description="null: nothing of it can be bought now")
    to_pay: Money | None
    expires_at: datetime
    problems: list[dict[str, Any]] = Field(description="why it can't be paid as it is; then ask the shop")


class LinkPaymentOut(BaseModel):
    order_number: str
    status: PaymentState
    amount: Money
    failure_reason: str | None = Field(description="a code, the gateway's where it has one: `card_declined`")
    next_action: NextActionOut | None = Field(description="what the customer must do while it is `action_required`")

    @classmethod
    def of(cls, payment: Payment, order_number: str) -> Self:
        action = NextActionOut(type=payment.action_type, url=payment.action_url or "") if payment.action_type else None
        return cls(
            order_number=order_number,
            status=PaymentState(payment.status),
            amount=money(payment),
            failure_reason=payment.failure_reason,
            next_action=action,
        )
