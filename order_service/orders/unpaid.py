"""The limits on what an account, or a client address, may hold without paying for it."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from order_service.orders import placing_queries as queries
from order_service.orders.placing_queries import UnpaidLimits, largest
from order_service.orders.placing_read_queries import Found
from order_service.pricing.lines import QuoteLine
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.database import Connection
from service_kit.problems import Problem
from service_kit.rate_limit import rate_limit_headers
from service_kit.security import Principal

EXEMPT = "orders:write:any"
"""Callers with this permission order and pay without these limits."""
UNKNOWN = "unknown"
"""Stands for an unknown client address: such orders are counted for their account only."""


class TooManyUnpaidOrders(Problem, status=429, type="too-many-unpaid-orders"):
    """There are {limit} unpaid orders already, which is the most for this {of}: pay for or cancel one first."""


class TooMuchHeldUnpaid(Problem, status=429, type="too-much-held-unpaid"):
    """At most {limit} pieces of product {product_id} may be held unpaid: order fewer, or pay for or cancel other orders
    with it first."""


def unpaid_limits(
    who: Principal, account: UUID, address: str | None, settings: Settings, *, confirmed: bool
) -> UnpaidLimits | None:
    """None: the caller is exempt, or limits are off. `confirmed`: whether the account's e-mail address is confirmed."""
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


def need_counting(limits: UnpaidLimits, found: Found, lines: Sequence[QuoteLine]) -> bool:
    """Whether a limit can be reached: not by a small order, if its account and address have no unpaid orders."""
    if not limits.any:
        return False
    return (
        found.account_has_unpaid
        or found.address_has_unpaid
        or (limits.least_pieces is not None and largest(lines) > limits.least_pieces)
    )


async def exceeded(connection: Connection, limits: UnpaidLimits, over: str, pay_by: datetime) -> Problem:
    """The problem for the exceeded limit, with the time until the first of the counted unpaid orders ends. An order
    that is too large by itself never fits; its retry time is its own `pay_by`."""
    until, pieces = await queries.unpaid_until(connection, limits, over)
    seconds = max(1, math.ceil(((until or pay_by) - utcnow()).total_seconds()))

    def rejected(problem: type[Problem], policy: str, limit: int, **details: Any) -> Problem:
        headers = rate_limit_headers(policy, limit, seconds)
        return problem(limit=limit, **details, retry_after=seconds, headers=headers)

    if over in ("account", "address"):
        limit = limits.orders if over == "account" else limits.orders_of_address
        return rejected(TooManyUnpaidOrders, "unpaid-orders", limit or 0, of=over)
    return rejected(TooMuchHeldUnpaid, "unpaid-pieces", pieces, product_id=UUID(over))
