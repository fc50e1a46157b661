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
from order_service.orders import metrics, placing_read_queries
from order_service.orders import placing_queries as queries
from order_service.orders.models import Actor, payment_status
from order_service.orders.placing_queries import NewOrder, NewRedemption, OrderedCart, UnpaidLimits, largest
from order_service.orders.placing_read_queries import Found
from order_service.orders.schemas import LineIn, OrderIn, order_values
from order_service.pricing.lines import QuoteLine
from order_service.pricing.promotions import PromotionUnusable, Reason
from order_service.pricing.quotes import Quote, quote_order
from order_service.pricing.rules import Rules, Terms
from order_service.pricing.schemas import quote_values, shipping_values
from order_service.pricing.shipping import Destination
from order_service.rules.holder import RulesHolder
from order_service.rules.terms import terms_of
from order_service.settings import Settings
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.database import Connection, Transaction
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
    rules: RulesHolder,
    address: str | None = None,
) -> Placed | StoredResponse:
    """Places the order, or returns the stored response to an earlier request with the same key.

    It is priced as of its read, by the rules and prices that are in force then; only limits are checked when it is
    written. Raises: Forbidden, PermissionRevoked, CustomerRequired, CustomerUnknown, CustomerInactive, CartEmpty,
    CartChanged, TooManyUnpaidOrders, TooMuchHeldUnpaid, IdempotencyKeyReused, and what `quote_order` raises.
    """
    if needed := _check_permissions(wanted, who):
        await account_status.check(connection, who, needed)
    account_id = wanted.customer_id or who.user_id
    found = await _read(connection, wanted, key, who.user_id, account_id, address)
    if found.stored is not None:
        return found.stored
    _check_customer(wanted, found)
    limits = unpaid_limits(who, account_id, address, settings, confirmed=found.email_is_confirmed)
    terms = await terms_of(connection, found.row, rules, _destination(wanted), wanted.shipping_method)
    placed, events = _make(wanted, found, terms, who.user_id, settings, limits)
    order = placed.order
    try:
        outcome = await queries.place(connection, order, events, key, placed.body, placed.location)
    except queries.UnpaidLimitReached:
        order = replace(order, owes_alone=None, limits=limits if limits and limits.any else None)
        outcome = await queries.place(connection, order, events, key, placed.body, placed.location)
    except queries.PromotionLimitReached:
        return await _limit_reached(connection, wanted, key, who.user_id, account_id, rules)
    if outcome.is_new:
        metrics.PLACED.inc()  # the statement was the transaction
        return placed
    return await _not_placed(connection, order, outcome.over, who, key)


async def place_within(
    tx: Transaction,
    wanted: OrderIn,
    key: Key,
    actor_id: UUID,
    settings: Settings,
    rules: RulesHolder,
    details: dict[str, Any],
) -> Placed | StoredResponse:
    """Places the order of `lines` for its `customer_id` as a part of the transaction, without limits on unpaid orders.
    The caller has checked the permissions, and counts the order (`metrics.PLACED`) once the transaction is committed.

    `actor_id` and `details` are for the history. Raises: PromotionLimitReached, after which PostgreSQL accepts no more
    statements in this transaction; CustomerUnknown, CustomerInactive, IdempotencyKeyInUse, IdempotencyKeyReused, and
    what `quote_order` raises.
    """
    customer_id = wanted.customer_id or actor_id
    found = await placing_read_queries.read(tx, key, actor_id, customer_id, None, wanted)
    if found.stored is not None:
        return found.stored
    _check_customer(wanted, found)
    terms = await terms_of(tx, found.row, rules, _destination(wanted), wanted.shipping_method)
    placed, events = _make(wanted, found, terms, actor_id, settings, None)
    placed.order.details = {**details, **(placed.order.details or {})}
    outcome = await queries.place(tx, placed.order, events, key, placed.body, placed.location)
    if not outcome.is_new:
        raise IdempotencyKeyInUse(retry_after=1)
    return placed


async def _read(
    connection: Connection, wanted: OrderIn, key: Key, caller_id: UUID, account_id: UUID, address: str | None
) -> Found:
    if wanted.lines is None:
        return await placing_read_queries.read_cart(connection, key, account_id, address, wanted)
    return await placing_read_queries.read(connection, key, caller_id, account_id, address, wanted)


async def _limit_reached(
    connection: Connection, wanted: OrderIn, key: Key, caller_id: UUID, account_id: UUID, rules: RulesHolder
) -> StoredResponse:
    """The stored response, if a concurrent duplicate request committed first. Raises: PromotionUnusable, for the codes
    that other orders have used up since they were read."""
    found = await _read(connection, wanted, key, caller_id, account_id, None)
    if found.stored is not None:
        return found.stored
    terms = await terms_of(connection, found.row, rules, _destination(wanted), wanted.shipping_method)
    quote_order(_lines(wanted, found), found.products, utcnow(), asked=wanted.currency, preferred="", terms=terms)
    # The use was given back in the meantime.
    raise PromotionUnusable(
        codes=[{"code": each.code, "reason": Reason.EXHAUSTED} for each in terms.codes], retry_after=1
    )


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
    wanted: OrderIn, found: Found, terms: Terms, actor_id: UUID, settings: Settings, limits: UnpaidLimits | None
) -> tuple[Placed, list[Event]]:
    now = utcnow()
    lines = _lines(wanted, found)
    asked, preferred, expected = wanted.currency, settings.default_currency, wanted.expected_total
    quote = quote_order(lines, found.products, now, asked=asked, preferred=preferred, expected=expected, terms=terms)
    customer_id = wanted.customer_id or actor_id
    trusted = limits is None or found.email_is_confirmed
    agreed = quote.agreed_prices()
    order = NewOrder(
        id=uuid7(),
        number=found.number,
        customer_id=customer_id,
        payment_status=payment_status(quote.total, captured=0, refunded=0),
        currency=quote.currency,
        total=quote.total,
        discount=quote.discount,
        tax=quote.tax,
        prices_include_tax=quote.prices_include_tax,
        shipping=shipping_values(quote.shipping),
        tax_note=quote.tax_note,
        tax_id=wanted.tax_id,
        pay_by=now + (settings.pay_within if trusted else settings.pay_within_unconfirmed),
        ship_to=Address.model_validate(vars(wanted.ship_to)),
        bill_to=Address.model_validate(vars(wanted.bill_to)) if wanted.bill_to else None,
        created_at=now,
        lines=quote.lines,
        actor=Actor.CUSTOMER if customer_id == actor_id else Actor.STAFF,
        actor_id=actor_id,
        details={"agreed_unit_prices": agreed} if agreed else None,
        payment_token=wanted.payment_token,
        cart=OrderedCart(found.cart_version, found.cart) if wanted.lines is None else None,
        client_address=(limits.address or UNKNOWN) if limits else None,
        owes_alone=True if limits and not found.account_has_unpaid else None,
        limits=limits if limits and _needs_counting(limits, found, quote.lines) else None,
        version=2,  # the version of the last of `_events`
        adjustments=quote.adjustments,
        redemptions=_redemptions(quote, terms.rules),
        customer_key=found.row["customer_key"],
    )
    # Not validated, since every value is our own; a test compares it with a validated model.
    answer = order_values(order, order.lines, len(order.lines), [], for_staff=False)
    answer["bill_to"] = order.bill_to
    answer["quote"] = quote_values(order, order.lines, order.shipping, order.adjustments)
    return Placed(order, to_json(answer), f"/orders/{order.id}"), _events(order, settings)


def _destination(wanted: OrderIn) -> Destination:
    return Destination(wanted.ship_to.country, wanted.ship_to.region, wanted.ship_to.postal_code)


def _redemptions(quote: Quote, rules: Rules) -> list[NewRedemption]:
    """The codes that the order redeems, sorted by promotion."""
    if not quote.redeemed:
        return []
    return [
        NewRedemption(
            promotion.id,
            quote.redeemed[promotion.id].code,
            sum(each.amount for each in quote.adjustments if each.promotion_id == promotion.id),
            promotion.use_limit_per_customer,
        )
        for promotion in sorted(rules.promotions, key=lambda each: each.id)
        if promotion.id in quote.redeemed
    ]


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


def _events(order: NewOrder, settings: Settings) -> list[Event]:
    """The events of the order's first two versions. Nested bodies are dicts, so that each event is validated once; the
    second event reuses the validated lines of the first."""
    lines: list[dict[str, Any]] = [
        {"product_id": line.product_id, "quantity": line.quantity, "unit_price": line.unit_price}
        for line in order.lines
    ]
    if order.discount or order.tax:
        for body, line in zip(lines, order.lines, strict=True):
            body |= {name: getattr(line, name) for name in ("discount", "tax", "tax_rate", "total")}
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
        discount=order.discount,
        shipping=order.shipping["total"] if order.shipping else 0,
        tax=order.tax,
    )
    reserve = requests.ReservationRequested(
        order_id=order.id,
        version=2,
        lines=placed.lines,
        reserved_until=order.pay_by + settings.reserved_beyond,
    )
    return [placed, reserve]
