"""The filters of a search for orders, as query parameters."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query

from order_service.annotations.models import MAX_TAG, normal_tag
from order_service.orders.models import PaymentStatus, Status
from order_service.pricing.quotes import MAX_AMOUNT
from order_service.search.models import Wanted
from service_kit.iso_codes import Country, Currency
from service_kit.problems import Problem
from service_kit.times import Day, Time

Statuses = Annotated[list[Status] | None, Query(max_length=len(Status), description="one or several")]
Number = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="the short number")]
CustomerId = Annotated[UUID | None, Query(description="staff: only this customer's")]
Stuck = Annotated[bool | None, Query(description="staff: whether it waits too long for another service")]
Email = Annotated[
    str | None, Query(max_length=254, description="staff: the account's whole e-mail address, in any case")
]
Name = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        description="staff: part of the recipient's or the account's name; case and accents are ignored",
    ),
]
ProductId = Annotated[UUID | None, Query(description="staff: orders with a line of this product")]
Sku = Annotated[str | None, Query(max_length=100, description="staff: the same by the product's SKU, as it is now")]
PlacedFrom = Annotated[
    Time | Day | None,
    Query(description="staff: placed at this time (with offset) or later; a date is a day in UTC"),
]
PlacedTo = Annotated[
    Time | Day | None,
    Query(description="staff: placed before this time; a date includes that day, in UTC"),
]
TotalFrom = Annotated[
    int | None, Query(ge=0, le=MAX_AMOUNT, description="staff: in the minor unit of `currency`, which it needs")
]
TotalTo = Annotated[int | None, Query(ge=0, le=MAX_AMOUNT, description="staff: this amount included")]
InCurrency = Annotated[Currency | None, Query(description="staff: the currency of the order")]
ToCountry = Annotated[Country | None, Query(description="staff: of the shipping address")]
PaymentStatuses = Annotated[
    list[PaymentStatus] | None, Query(max_length=len(PaymentStatus), description="staff: one or several")
]
Tag = Annotated[str | None, Query(max_length=MAX_TAG, description="staff: orders with this tag")]


class CurrencyNeeded(Problem, status=422, type="currency-needed"):
    """Amounts in different currencies can't be compared: give the `currency` of `total_from` and `total_to`."""


async def wanted(
    status: Statuses = None,
    number: Number = None,
    customer_id: CustomerId = None,
    stuck: Stuck = None,
    email: Email = None,
    name: Name = None,
    product_id: ProductId = None,
    sku: Sku = None,
    placed_from: PlacedFrom = None,
    placed_to: PlacedTo = None,
    total_from: TotalFrom = None,
    total_to: TotalTo = None,
    currency: InCurrency = None,
    country: ToCountry = None,
    payment_status: PaymentStatuses = None,
    tag: Tag = None,
) -> Wanted:
    """Raises: CurrencyNeeded."""
    if currency is None and (total_from is not None or total_to is not None):
        raise CurrencyNeeded
    return Wanted(
        customer_id=customer_id, number=number, stuck=stuck, email=email, name=name, product_id=product_id, sku=sku,
        currency=currency, country=country, total_from=total_from, total_to=total_to,
        statuses=tuple(status or ()),
        placed_from=None if placed_from is None else _instant(placed_from, end=False),
        placed_before=None if placed_to is None else _instant(placed_to, end=True),
        payment_statuses=tuple(payment_status or ()),
        tag=None if tag is None else normal_tag(tag),
    )  # fmt: skip


def _instant(moment: datetime | date, *, end: bool) -> datetime:
    """The instant; of a day its beginning or, with `end`, its end."""
    if isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), UTC) + timedelta(days=end)
