"""The rule for unit prices. The product service shows prices by it, and the order service charges them."""

from collections.abc import Iterable, Set
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID


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


class GroupPrice(ScheduledPrice, Protocol):
    """A price for the customers of one group."""

    @property
    def customer_group(self) -> UUID: ...


Price = TypeVar("Price", bound=ScheduledPrice)
NO_GROUPS: Set[UUID] = frozenset()


def holds(price: ScheduledPrice, quantity: int, now: datetime) -> bool:
    """Whether the price applies to this quantity at this moment."""
    return price.min_quantity <= quantity and price.starts_at <= now and (price.ends_at is None or now < price.ends_at)


def unit_price(
    prices: Iterable[ScheduledPrice],
    quantity: int,
    currency: str,
    now: datetime,
    group_prices: Iterable[GroupPrice] = (),
    groups: Set[UUID] = NO_GROUPS,
) -> int | None:
    """The price of one piece if `quantity` pieces are bought, in the minor unit. None: there is none in this currency.
    `groups`: those of the customer.

    Of the prices with the same `min_quantity`, the one that started last applies (of two with the same start, the lower
    one); if one of the customer's groups has such a price, the one of these that started last applies instead. Of
    these, the lowest for this quantity or fewer counts, so that a larger quantity never costs more per piece.
    `product_service/products/queries.py` has the same rule in SQL, for public prices; a test compares the two.
    """
    applying: dict[int, ScheduledPrice] = {}
    applying.update(in_force(prices, quantity, currency, now))
    if groups:
        own = [price for price in group_prices if price.customer_group in groups]
        applying.update(in_force(own, quantity, currency, now))
    return min((price.amount for price in applying.values()), default=None)


def in_force(prices: Iterable[Price], quantity: int, currency: str, now: datetime) -> dict[int, Price]:
    """The price of each tier that applies, by its `min_quantity`."""
    found: dict[int, Price] = {}
    for price in prices:
        if price.currency == currency and holds(price, quantity, now):
            known = found.get(price.min_quantity)
            if known is None or (known.starts_at, -known.amount) < (price.starts_at, -price.amount):
                found[price.min_quantity] = price
    return found
