"""Places an order with two round trips to our own database, and without a call to another service.

The stock that unpaid orders reserve is limited, since otherwise one person could reserve all of it without paying.
A small order is not counted if its account and its client address have no unpaid orders; a unique index (`owes_alone`)
allows an account one such order at a time. All other orders are counted in the statement that places the order (the
function `unpaid_limit`, migration 0100). That statement locks the account, so that concurrent orders cannot exceed the
account's limits. A client address is not locked, since many people may share it: orders that are placed from it at the
same moment may exceed its limits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from contracts.address import Address
from contracts.events import inventory_deduction as requests
from contracts.events import order_notification as steps
from contracts.events.base import Event
from order_service.orders import metrics
from order_service.orders import placing_queries as queries
from order_service.orders.models import Actor, payment_status
from order_service.orders.placing_queries import Found, NewOrder, OrderedCart, UnpaidLimits, largest
from order_service.orders.schemas import LineIn, OrderIn, order_values
from order_service.pricing.lines import QuoteLine
from order_service.pricing.quotes import quote_order
from order_service.settings import Settings
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.database import Connection
from service_kit.idempotency import IdempotencyKeyInUse, Key, StoredResponse
from service_kit.ids import uuid7
from service_kit.problems import Forbidden, Problem
from service_kit.rate_limit import rate_limit_headers
from service_kit.security import Principal, account_status

EXEMPT = "orders:write:any"
"""Callers with this permission order and pay without these limits."""
UNKNOWN = "unknown"
"""Stands for an unknown client address: such orders are counted for their account only."""


class CustomerUnknown(Problem, status=409, type="customer-unknown"):
    """There is no customer {customer_id}, or they are not known here yet: try again in a moment."""


class CustomerInactive(Problem, status=409, type="customer-inactive"):
    """The account of customer {customer_id} is closed: nobody can order for them."""


class CustomerRequired(Problem, status=422, type="customer-required"):
    """An API client has no cart, no address and nobody to write to: say for whom it orders, as `customer_id`."""


class CartEmpty(Problem, status=409, type="cart-empty"):
    """There is nothing in the cart."""


class CartChanged(Problem, status=409, type="cart-changed"):
    """The cart was changed in the meantime (its version is {version} now): show it again before it is ordered."""


class TooManyUnpaidOrders(Problem, status=429, type="too-many-unpaid-orders"):
    """There are {limit} unpaid orders already, which is the most for this {of}: pay for or cancel one first."""


class TooMuchHeldUnpaid(Problem, status=429, type="too-much-held-unpaid"):
    """At most {limit} pieces of product {product_id} may be held unpaid: order fewer, or pay for or cancel other orders
    with it first."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A new order, and the response that is stored for duplicate requests."""

    order: NewOrder
    body: bytes
    location: str


async def place(
    connection: Connection,
    wanted: OrderIn,
    key: Key,
    who: Principal,
    settings: Settings,
    address: str | None = None,
) -> Placed | StoredResponse:
    """Places the order, or returns the stored response to an earlier request with the same key.

    Raises: Forbidden, PermissionRevoked, CustomerRequired, CustomerUnknown, CustomerInactive, CartEmpty, CartChanged,
    TooManyUnpaidOrders, TooMuchHeldUnpaid, IdempotencyKeyReused, and what `quote_order` raises.
    """
    if needed := _check_permissions(wanted, who):
        await account_status.check(connection, who, needed)
    account_id = wanted.customer_id or who.user_id
    if wanted.lines is None:
        found = await queries.read_cart(connection, key, account_id, address)
    else:
        product_ids = {line.product_id for line in wanted.lines}
        found = await queries.read(connection, key, who.user_id, account_id, address, product_ids)
    if found.stored is not None:
        return found.stored
    _check_customer(wanted, found)
    limits = unpaid_limits(who, account_id, address, settings, confirmed=found.email_is_confirmed)
    placed, events = _make(wanted, found, who, settings, limits)
    order = placed.order
    try:
        outcome = await queries.place(connection, order, events, key, placed.body, placed.location)
    except queries.UnpaidLimitReached:
        order = replace(order, owes_alone=None, limits=limits if limits and limits.any else None)
        outcome = await queries.place(connection, order, events, key, placed.body, placed.location)
    if outcome.is_new:
        metrics.PLACED.inc()  # the statement was the transaction
        return placed
    return await _not_placed(connection, order, outcome.over, who, key)


async def _not_placed(
    connection: Connection, order: NewOrder, over: str | None, who: Principal, key: Key
) -> StoredResponse:
    """The stored response, if a concurrent duplicate request committed first. Raises: TooManyUnpaidOrders,
    TooMuchHeldUnpaid, CartEmpty, CartChanged, IdempotencyKeyInUse, IdempotencyKeyReused."""
    stored = await idempotency.find(connection, who.user_id, key)
    if stored is not None:
        return stored
    if over is not None and order.limits is not None:
        raise await _over(connection, order.limits, over, order.pay_by)
    if order.cart is None:
        raise IdempotencyKeyInUse(retry_after=1)
    version, is_empty = await queries.FIND_CART.fetchrow(connection, customer_id=who.user_id)
    if is_empty:
        raise CartEmpty
    raise CartChanged(version=version)


async def _over(connection: Connection, limits: UnpaidLimits, over: str, pay_by: datetime) -> Problem:
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


def _check_permissions(wanted: OrderIn, who: Principal) -> list[str]:
    """The permissions that the request needs in addition to `orders:write`. Raises: Forbidden, CustomerRequired."""
    needed = []
    if not who.is_person and wanted.customer_id in (None, who.user_id):
        raise CustomerRequired
    if wanted.customer_id not in (None, who.user_id):
        needed.append("orders:write:any")
    if any(line.agreed_unit_price for line in wanted.lines or ()):
        needed.append("orders:agree-price")
    for permission in needed:
        if not who.may(permission):
            raise Forbidden(permission=permission)
    return needed


def _check_customer(wanted: OrderIn, found: Found) -> None:
    if wanted.customer_id is None:
        return
    if found.customer_is_active is None:
        raise CustomerUnknown(customer_id=wanted.customer_id, retry_after=1)
    if not found.customer_is_active:
        raise CustomerInactive(customer_id=wanted.customer_id)


def _make(
    wanted: OrderIn, found: Found, who: Principal, settings: Settings, limits: UnpaidLimits | None
) -> tuple[Placed, list[Event]]:
    now = utcnow()
    lines = _lines(wanted, found)
    asked, preferred, expected = wanted.currency, settings.default_currency, wanted.expected_total
    quote = quote_order(lines, found.products, now, asked=asked, preferred=preferred, expected=expected)
    customer_id = wanted.customer_id or who.user_id
    trusted = limits is None or found.email_is_confirmed
    agreed = quote.agreed_prices()
    order = NewOrder(
        id=uuid7(),
        number=found.number,
        customer_id=customer_id,
        payment_status=payment_status(quote.total, captured=0, refunded=0),
        currency=quote.currency,
        total=quote.total,
        pay_by=now + (settings.pay_within if trusted else settings.pay_within_unconfirmed),
        ship_to=Address.model_validate(vars(wanted.ship_to)),
        created_at=now,
        lines=quote.lines,
        actor=Actor.CUSTOMER if customer_id == who.user_id else Actor.STAFF,
        actor_id=who.user_id,
        details={"agreed_unit_prices": agreed} if agreed else None,
        payment_token=wanted.payment_token,
        cart=OrderedCart(found.cart_version, found.cart) if wanted.lines is None else None,
        client_address=(limits.address or UNKNOWN) if limits else None,
        owes_alone=True if limits and not found.account_has_unpaid else None,
        limits=limits if limits and _needs_counting(limits, found, quote.lines) else None,
        version=2,  # the version of the last of `_events`
    )
    # Not validated, since every value is our own; a test compares it with a validated model.
    answer = order_values(order, order.lines, len(order.lines), [], for_staff=False)
    return Placed(order, to_json(answer), f"/orders/{order.id}"), _events(order, settings)


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


def _needs_counting(limits: UnpaidLimits, found: Found, lines: Sequence[QuoteLine]) -> bool:
    """Whether a limit can be reached: not by a small order, if its account and address have no unpaid orders."""
    if not limits.any:
        return False
    return (
        found.account_has_unpaid
        or found.address_has_unpaid
        or (limits.least_pieces is not None and largest(lines) > limits.least_pieces)
    )


def _lines(wanted: OrderIn, found: Found) -> list[LineIn]:
    """Raises: CartEmpty, CartChanged."""
    if wanted.lines is not None:
        return wanted.lines
    if not found.cart:
        raise CartEmpty
    if wanted.cart_version not in (None, found.cart_version):
        raise CartChanged(version=found.cart_version)
    return found.cart


def _events(order: NewOrder, settings: Settings, only_warehouse_id: UUID | None = None) -> list[Event]:
    """The events of the order's first two versions. `only_warehouse_id`: the customer collects it there.

    Nested bodies are dicts, so that each event is validated once; the second event reuses the validated lines of the
    first."""
    lines: list[dict[str, Any]] = [
        {"product_id": line.product_id, "quantity": line.quantity, "unit_price": line.unit_price}
        for line in order.lines
    ]
    for named, line in zip(lines[: steps.NAMED_LINES], order.lines, strict=False):
        named["sku"], named["name"] = line.sku, line.name
    placed = steps.OrderPlaced(
        order_id=order.id,
        version=1,
        number=str(order.number),
        customer_id=order.customer_id,
        total={"amount": order.total, "currency": order.currency},
        lines=lines,
        ship_to=order.ship_to,
    )
    reserve = requests.ReservationRequested(
        order_id=order.id,
        version=2,
        lines=placed.lines,
        reserved_until=order.pay_by + settings.reserved_beyond,
        only_warehouse_id=only_warehouse_id,
    )
    return [placed, reserve]
