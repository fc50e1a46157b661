"""A quote in responses, the same for carts, quotes, drafts and orders.

Its amounts are integers in its currency. In every line, in the shipping and in the whole, `total` is `net` + `tax`.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from order_service.pricing.lines import SHIPPING, Adjustment, Shipping, line_total
from order_service.pricing.quotes import Quote
from order_service.pricing.rates import rate_text
from order_service.pricing.tax import TaxNote
from service_kit.text import Printable

Code = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=64),
    Printable,
    Field(description="the code of a promotion, in any case"),
]


class QuoteLineOut(BaseModel):
    product_id: UUID
    quantity: int
    unit_price: int
    subtotal: int = Field(description="the price of all pieces before discounts")
    discount: int
    net: int
    tax: int
    tax_rate: str = Field(description="a decimal: `0.20` is 20 %", examples=["0.20"])
    total: int


class ShippingOut(BaseModel):
    """`method` null: nothing is configured, or the address is not known yet."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    method: str | None
    name: str | None
    amount: int = Field(description="before discounts")
    discount: int
    net: int
    tax: int
    total: int
    from_date: date | None = Field(alias="from", description="the first day on which it is expected to arrive")
    to_date: date | None = Field(alias="to", description="the last such day")


class ShippingMethodOfferOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    code: str
    name: str
    kind: str
    amount: int
    from_date: date = Field(alias="from")
    to_date: date = Field(alias="to")


class AdjustmentOut(BaseModel):
    """What a promotion takes off. `line`: its position from 1; null: off the shipping."""

    promotion_id: UUID
    code: str | None
    line: int | None
    amount: int


class OrderQuoteOut(BaseModel):
    """What an order costs, as it was when it was placed."""

    currency: str
    lines: list[QuoteLineOut]
    shipping: ShippingOut
    discount: int
    net: int
    tax: int
    rounding: int = Field(description="always 0: every amount is rounded once, where it belongs")
    total: int
    prices_include_tax: bool = Field(description="whether `subtotal` and `discount` include the tax")
    tax_note: TaxNote | None = Field(description="why there is no tax; null: there is, or no taxes are configured")
    adjustments: list[AdjustmentOut]


class QuoteOut(OrderQuoteOut):
    """What an order would cost now."""

    shipping_methods: list[ShippingMethodOfferOut]

    @classmethod
    def of(cls, quote: Quote) -> "QuoteOut":
        values = quote_values(quote, quote.lines, shipping_values(quote.shipping), quote.adjustments)
        offered = [
            ShippingMethodOfferOut(
                code=each.code, name=each.name, kind=each.kind, amount=each.amount,
                from_date=each.from_date, to_date=each.to_date,
            )
            for each in quote.shipping_methods
        ]  # fmt: skip
        return cls(**values, shipping_methods=offered)


_NO_SHIPPING = {
    "method": None, "name": None, "amount": 0, "discount": 0, "net": 0, "tax": 0, "total": 0, "from": None, "to": None,
}  # fmt: skip


def shipping_values(shipping: Shipping) -> dict[str, Any] | None:
    """The shipping as an order stores it; None: no method was chosen."""
    method = shipping.method
    if method is None:
        return None
    return {
        "method": method.code,
        "name": method.name,
        "amount": shipping.amount,
        "discount": shipping.discount,
        "net": shipping.net,
        "tax": shipping.tax,
        "total": shipping.total,
        "from": method.from_date,
        "to": method.to_date,
        "id": method.id,
        "kind": method.kind,
        "warehouse_id": method.warehouse_id,
        "standard_amount": shipping.standard_amount,
        "taxes": [{"rate": each.rate, "net": each.net, "tax": each.tax} for each in shipping.taxes],
    }


def quote_values(
    quote: Any, lines: Iterable[Any], shipping: dict[str, Any] | None, adjustments: Sequence[Adjustment]
) -> dict[str, Any]:
    """The fields of an `OrderQuoteOut`, in the same sequence, of a quote or of an order as it is stored."""
    return {
        "currency": quote.currency,
        "lines": [_line(line) for line in lines],
        "shipping": {name: shipping[name] for name in _NO_SHIPPING} if shipping else _NO_SHIPPING,
        "discount": quote.discount,
        "net": quote.total - quote.tax,
        "tax": quote.tax,
        "rounding": 0,
        "total": quote.total,
        "prices_include_tax": quote.prices_include_tax,
        "tax_note": quote.tax_note,
        "adjustments": [
            {
                "promotion_id": each.promotion_id,
                "code": each.code,
                "line": None if each.position == SHIPPING else each.position,
                "amount": each.amount,
            }
            for each in adjustments
        ],
    }


def _line(line: Any) -> dict[str, Any]:
    total = line_total(line)
    return {
        "product_id": line.product_id,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "subtotal": line.unit_price * line.quantity,
        "discount": line.discount,
        "net": total - line.tax,
        "tax": line.tax,
        "tax_rate": rate_text(line.tax_rate),
        "total": total,
    }
