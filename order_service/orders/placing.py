"""Places an order with two round trips to our own database, and without a call to another service.

The stock that unpaid orders reserve is limited, since otherwise one person could reserve all of it without paying.
A small order is not counted if its account and its client address have no unpaid orders; a unique index (`owes_alone`)
allows an account one such order at a time. All other orders are counted in the statement that places the order (the
function `unpaid_limit`, migration 0100). That statement locks the account, so that concurrent orders cannot exceed the
account's limits. A client address is not locked, since many people may share it: orders that are placed from it at the
same moment may exceed its limits.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
from order_service.orders.placing_queries import NewOrder, NewRedemption, OrderedCart, UnpaidLimits
from order_service.orders.placing_read_queries import Found
from order_service.orders.schemas import LineIn, OrderIn, order_values
from order_service.orders.unpaid import UNKNOWN, exceeded, need_counting, unpaid_limits
from order_service.pricing.lines import Shipping
from order_service.pricing.places import Destination
from order_service.pricing.promotions import PromotionUnusable, Reason
from order_service.pricing.quotes import Quote, quote_order
from order_service.pricing.rules import Rules, Terms
from order_service.pricing.schemas import quote_values, shipping_values
from order_service.promotions import guesses
from order_service.promotions.guesses import Guesser
from order_service.rules.holder import RulesHolder
from order_service.rules.terms import terms_of
from order_service.settings import Settings
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.database import Connection, Transaction
from service_kit.idempotency import IdempotencyKeyInUse, Key, StoredResponse
from service_kit.ids import uuid7
from service_kit.problems import Forbidden, Problem
from service_kit.security import Principal, account_status


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


class EmailUnconfirmed(Problem, status=409, type="email-unconfirmed"):
    """The e-mail address of this account is not confirmed, so no stock is held for a bank transfer: confirm the address
    first, or pay by card."""


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
    written.

    Raises: Forbidden, PermissionRevoked, CustomerRequired, CustomerUnknown, CustomerInactive, EmailUnconfirmed,
    CartEmpty, CartChanged, TooManyCodeGuesses, TooManyUnpaidOrders, TooMuchHeldUnpaid, IdempotencyKeyReused, and what
    `quote_order` raises.
    """
    if needed := _check_permissions(wanted, who):
        await account_status.check(connection, who, needed)
    if not wanted.codes:
        return await _place(connection, wanted, key, who, settings, rules, address)
    async with guesses.limited(connection, Guesser.of(settings, wanted.customer_id or who.user_id, address)):
        return await _place(connection, wanted, key, who, settings, rules, address)


async def _place(
    connection: Connection,
    wanted: OrderIn,
    key: Key,
    who: Principal,
    settings: Settings,
    rules: RulesHolder,
    address: str | None,
) -> Placed | StoredResponse:
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
        return await _limit_reached(connection, wanted, key, who.user_id, settings, rules)
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
    connection: Connection, wanted: OrderIn, key: Key, caller_id: UUID, settings: Settings, rules: RulesHolder
) -> StoredResponse:
    """The stored response, if a concurrent duplicate request committed first. Raises: PromotionUnusable, for the codes
    that other orders have used up since they were read."""
    found = await _read(connection, wanted, key, caller_id, wanted.customer_id or caller_id, None)
    if found.stored is not None:
        return found.stored
    terms = await terms_of(connection, found.row, rules, _destination(wanted), wanted.shipping_method)
    _quote(wanted, found, terms, settings, utcnow())
    # The use was released in the meantime.
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
        raise await exceeded(connection, order.limits, over, order.pay_by)
    if order.cart is None:
        raise IdempotencyKeyInUse(retry_after=1)
    version, is_empty = await queries.FIND_CART.fetchrow(connection, customer_id=who.user_id)
    if is_empty:
        raise CartEmpty
    raise CartChanged(version=version)


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
    quote = _quote(wanted, found, terms, settings, now)
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
        **_amounts(quote, terms),
        tax_id=wanted.tax_id,
        pay_by=now + _time_to_pay(wanted, settings, trusted=trusted),
        payment=wanted.payment,
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
        limits=limits if limits and need_counting(limits, found, quote.lines) else None,
        version=2,  # the version of the last of `_events`
        customer_key=found.row["customer_key"],
    )
    return Placed(order, _body(order), f"/orders/{order.id}"), _events(order, settings, quote.shipping)


def _amounts(quote: Quote, terms: Terms) -> dict[str, Any]:
    """What the order stores of its quote besides the total and the lines."""
    return {
        "discount": quote.discount,
        "tax": quote.tax,
        "prices_include_tax": quote.prices_include_tax,
        "shipping": shipping_values(quote.shipping),
        "tax_note": quote.tax_note,
        "adjustments": quote.adjustments,
        "redemptions": _redemptions(quote, terms.rules),
    }


def _body(order: NewOrder) -> bytes:
    """Not validated, since every value is our own; a test compares it with a validated model."""
    answer = order_values(order, order.lines, len(order.lines), [], for_staff=False)
    answer["bill_to"] = order.bill_to
    answer["quote"] = quote_values(order, order.lines, order.shipping, order.adjustments)
    return to_json(answer)


def _quote(wanted: OrderIn, found: Found, terms: Terms, settings: Settings, now: datetime) -> Quote:
    lines, asked, preferred = _lines(wanted, found), wanted.currency, settings.default_currency
    expected = wanted.expected_total
    return quote_order(lines, found.products, now, asked=asked, preferred=preferred, expected=expected, terms=terms)


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


def _time_to_pay(wanted: OrderIn, settings: Settings, *, trusted: bool) -> timedelta:
    """Raises: EmailUnconfirmed, since a transfer takes days, for which anybody could hold stock otherwise."""
    if wanted.payment is None:
        return settings.pay_within if trusted else settings.pay_within_unconfirmed
    if not trusted:
        raise EmailUnconfirmed
    return settings.transfer_within


def _lines(wanted: OrderIn, found: Found) -> list[LineIn]:
    """Raises: CartEmpty, CartChanged."""
    if wanted.lines is not None:
        return wanted.lines
    if not found.cart:
        raise CartEmpty
    if wanted.cart_version not in (None, found.cart_version):
        raise CartChanged(version=found.cart_version)
    return found.cart


def _events(order: NewOrder, settings: Settings, shipping: Shipping) -> list[Event]:
    """The events of the order's first two versions. What the customer collects must be in stock where they collect it.

    Nested bodies are dicts, so that each event is validated once; the second event reuses the validated lines of the
    first."""
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
        only_warehouse_id=shipping.method.warehouse_id if shipping.method else None,
    )
    return [placed, reserve]
