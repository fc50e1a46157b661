"""The rule for unit prices. The product service shows prices by it, and the order service charges them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol


class ScheduledPrice(Protocol):
    """A unit price for `min_quantity` pieces or more, from `starts_at` until before `ends_at` (None: without end)."""

    @property
    def amount(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def min_quantity(self) -> int: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime | None: ...


def holds(price: ScheduledPrice, quantity: int, now: datetime) -> bool:
    """Whether the price applies to this quantity at this moment."""
    return price.min_quantity <= quantity and price.starts_at <= now and (price.ends_at is None or now < price.ends_at)


def unit_price(prices: Iterable[ScheduledPrice], quantity: int, currency: str, now: datetime) -> int | None:
    """The price of one piece if `quantity` pieces are bought, in the minor unit. None: there is none in this currency.

    Of the prices with the same `min_quantity`, the one that started last applies (of two with the same start, the lower
    one). Of these, the lowest for this quantity or fewer counts, so that a larger quantity never costs more per piece.
    `product_service/products/queries.py` has the same rule in SQL; a test compares the two.
    """
    in_force: dict[int, ScheduledPrice] = {}
    for price in prices:
        if price.currency == currency and holds(price, quantity, now):
            known = in_force.get(price.min_quantity)
            if known is None or (known.starts_at, -known.amount) < (price.starts_at, -price.amount):
                in_force[price.min_quantity] = price
    return min((price.amount for price in in_force.values()), default=None)
