"""How much may be held unpaid at a time, so that nobody empties the shelves without paying.

Whose account and address hold nothing unpaid, and who orders little, is not counted: a unique index sees to it that
an account has one such order at a time (`owes_alone`). All others are counted in the statement that places the order
(the function `unpaid_limit`, migration 0100), under a lock of the account: of fifty orders at once no more are placed
than the limit. Of a client address nothing is locked, since many people may share one: there as many more may slip
through as are placed at the same moment.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from order_service.pricing.quotes import QuoteLine
from order_service.settings import Settings
from service_kit.http.rate_limit import rate_limit_headers
from service_kit.problems import Problem
from service_kit.security import Principal

EXEMPT = "orders:write:any"
"""Whoever holds it orders, and pays, without these limits."""
UNKNOWN = "unknown"
"""Stands for the address of a client that none is known of: its orders count for the account alone."""


class TooManyUnpaidOrders(Problem, status=429, type="too-many-unpaid-orders"):
    """There are {limit} unpaid orders already, which is the most for this {of}: pay for or cancel one first."""

    @classmethod
    def at(cls, limit: int, of: str, seconds: int) -> "TooManyUnpaidOrders":
        headers = rate_limit_headers("unpaid-orders", limit, seconds)
        return cls(limit=limit, of=of, retry_after=seconds, headers=headers)


class TooMuchHeldUnpaid(Problem, status=429, type="too-much-held-unpaid"):
    """At most {limit} pieces of product {product_id} may be held unpaid: order fewer, or pay for or cancel other orders
    with it first."""

    @classmethod
    def at(cls, limit: int, product_id: UUID, seconds: int) -> "TooMuchHeldUnpaid":
        headers = rate_limit_headers("unpaid-pieces", limit, seconds)
        return cls(limit=limit, product_id=product_id, retry_after=seconds, headers=headers)


@dataclass(frozen=True, slots=True)
class UnpaidLimits:
    """What one order is held to; None: no limit of this kind. `address` None: it is not known."""

    account: UUID
    address: str | None
    orders: int | None
    orders_of_address: int | None
    stock_share: float
    least_pieces: int | None

    @property
    def any(self) -> bool:
        return not (self.orders is None and self.orders_of_address is None and self.least_pieces is None)


def unpaid_limits(
    who: Principal, account: UUID, address: str | None, settings: Settings, *, confirmed: bool
) -> UnpaidLimits | None:
    """None: the caller is exempt, or limits are off. `confirmed`: whether the account's e-mail address is."""
    if who.may(EXEMPT) or not settings.limits:
        return None
    orders = settings.unpaid_orders if confirmed else settings.unpaid_orders_unconfirmed
    return UnpaidLimits(
        account=account,
        address=address,
        orders=orders or None,
        orders_of_address=settings.unpaid_orders_per_address or None,
        stock_share=settings.unpaid_stock_share,
        least_pieces=settings.unpaid_pieces or None,
    )


def largest(lines: Sequence[QuoteLine]) -> int:
    """The pieces of the product that most are ordered of."""
    if len(lines) == 1:
        return lines[0].quantity
    pieces: Counter[UUID] = Counter()
    for line in lines:
        pieces[line.product_id] += line.quantity
    return max(pieces.values())
