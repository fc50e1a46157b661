"""The hot statement that places an order, with all that belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import CheckViolationError, UniqueViolationError

from contracts.address import Address
from contracts.events.base import Event
from order_service.carts.models import CartItem
from order_service.orders.models import (
    ONE_UNPAID,
    FulfilmentStatus,
    OrderAdjustment,
    OrderLine,
    PaymentStatus,
    Status,
)
from order_service.orders.rendering_queries import SHOW, RenderedOrder
from order_service.orders.schemas import LineIn
from order_service.pricing.lines import Adjustment, QuoteLine
from order_service.promotions.models import CODE_EXHAUSTED, CUSTOMER_EXHAUSTED, USES_EXHAUSTED
from service_kit.database import Connection, Statement, Transaction, rows
from service_kit.idempotency import Key
from service_kit.messaging import outbox
from service_kit.telemetry.tracing import current_traceparent

LIMITS = frozenset({USES_EXHAUSTED, CODE_EXHAUSTED, CUSTOMER_EXHAUSTED})


@dataclass(frozen=True, slots=True)
class NewRedemption:
    """A code that the order redeems. `most`: how often one customer may; None: that is not limited."""

    promotion_id: UUID
    code: str
    amount: int
    most: int | None


# Each part depends on the one before it: on room within the limits, on the cart's version, and on the key.
_PLACE = """
WITH {counted}{cart}key AS (
    INSERT INTO idempotency_keys (user_id, operation, key, body_hash, status, body, location)
    SELECT :order.actor_id::uuid, :key.operation, :key.value, :key.body_hash::bytea, 201, :body::bytea, :location
    FROM {condition}
    ON CONFLICT DO NOTHING RETURNING true AS is_new
), placed AS (
    INSERT INTO orders (id, number, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,
                        payment, ship_to, created_at, status_since, version, client_address, owes_alone, discount, tax,
                        prices_include_tax, shipping, tax_note, tax_id, bill_to, redeemed)
    SELECT :order.id, :order.number, :order.customer_id, 'pending', 'unfulfilled', :order.currency,
           :order.total::bigint, 0, 0, :order.pay_by::timestamptz, :order.payment::text,
           :order.ship_to::jsonb,
           :order.created_at::timestamptz, :order.created_at::timestamptz, :order.version::bigint,
           :order.client_address::text, :order.owes_alone::bool, :order.discount::bigint, :order.tax::bigint,
           :order.prices_include_tax::bool, :order.shipping::jsonb, :order.tax_note::text, :order.tax_id::text,
           :order.bill_to::jsonb, {redeemed}
    FROM key
), new_lines AS (
    INSERT INTO order_lines (order_id, {line_columns}) SELECT :order.id, lines.* FROM key, {lines}
), history AS (
    INSERT INTO order_history (order_id, version, at, trigger, to_status, actor, actor_id, details)
    SELECT :order.id, :order.version::bigint, :order.created_at::timestamptz, 'placed', 'pending', :order.actor,
           :order.actor_id::uuid, :order.details::jsonb
    FROM key
), token AS (
    INSERT INTO payment_tokens (order_id, token, created_at, traceparent)
    SELECT :order.id, :order.payment_token::text, :order.created_at::timestamptz, :traceparent
    FROM key WHERE :order.payment_token::text IS NOT NULL
), new_events AS (
    INSERT INTO outbox ({columns}) SELECT events.* FROM key, {events}
){emptied}{adjusted}
SELECT (SELECT is_new FROM key), {over}
"""
# Finds the limit that the order would exceed. It runs first and locks the account, so that concurrent orders of one
# account are counted one after the other.
_COUNTED = """over AS (
    SELECT unpaid_limit(:order.limits.account, :order.limits.address::text, :order.limits.orders::int,
                        :order.limits.orders_of_address::int, :lines[].product_id::uuid[], :lines[].quantity::int[],
                        :largest::int, :order.limits.stock_share::float8, :order.limits.least_pieces::int) AS what
), room AS (
    SELECT FROM over WHERE what IS NULL
), """
_CART = """cart AS (
    INSERT INTO carts (customer_id, version) SELECT :order.actor_id, 1 FROM {room}
    ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1, codes = '{{}}'
    WHERE carts.version = :order.cart.version::bigint RETURNING true
), """
_EMPTIED = """, emptied AS (
    DELETE FROM cart_items c USING key, {ordered}
    WHERE c.customer_id = :order.actor_id AND c.product_id = ordered.product_id AND c.quantity = ordered.quantity
)"""
# What promotions took off, and the uses of those with a code. Each limit is a check constraint on its counter: a use
# too many fails, and the whole statement with it. Counters are locked by kind and in ascending order, here as where
# uses are released, so that two orders with the same codes never wait for each other in a ring; each part reads the
# one before it, since PostgreSQL runs the parts of WITH in no promised order.
_ADJUSTED = """, adjusted AS (
    INSERT INTO order_adjustments (order_id, position, promotion_id, code, amount)
    SELECT :order.id, adjustments.* FROM key, {adjustments}
), held AS (
    SELECT u.promotion_id FROM key, promotion_uses u
    WHERE u.promotion_id = ANY(:redemptions[].promotion_id::uuid[]) ORDER BY u.promotion_id FOR UPDATE OF u
), used AS (
    UPDATE promotion_uses u SET used = u.used + 1 FROM held WHERE u.promotion_id = held.promotion_id RETURNING true
), held_codes AS (
    SELECT c.code FROM key, (SELECT count(*) FROM used) AS after_uses, promotion_codes c
    WHERE c.code = ANY(:redemptions[].code::text[]) AND c.most IS NOT NULL ORDER BY c.code FOR UPDATE OF c
), used_codes AS (
    UPDATE promotion_codes c SET used = c.used + 1 FROM held_codes WHERE c.code = held_codes.code RETURNING true
), used_by_customer AS (
    INSERT INTO promotion_customers (promotion_id, customer_key, used, most)
    SELECT limited.promotion_id, :order.customer_key::bytea, 1, limited.most
    FROM key, (SELECT count(*) FROM used_codes) AS after_codes, {limited} WHERE limited.most IS NOT NULL
    ON CONFLICT (promotion_id, customer_key)
    DO UPDATE SET used = promotion_customers.used + 1, most = excluded.most
), redeemed AS (
    INSERT INTO redemptions (order_id, promotion_id, code, customer_key, amount, at)
    SELECT :order.id, redemptions.promotion_id, redemptions.code, :order.customer_key::bytea, redemptions.amount,
           :order.created_at::timestamptz
    FROM key, {redemptions}
)"""
_LINE_COLUMNS = (
    "position",
    "product_id",
    "sku",
    "name",
    "quantity",
    "unit_price",
    "discount",
    "tax",
    "tax_rate",
    "total",
)


def _place(*, of_cart: bool, counted: bool, adjusted: bool) -> Statement:
    room = "room" if counted else "(SELECT) AS room"
    text = _PLACE.format(
        counted=_COUNTED if counted else "",
        cart=_CART.format(room=room) if of_cart else "",
        condition="cart" if of_cart else room,
        line_columns=", ".join(_LINE_COLUMNS),
        lines=rows("lines", OrderLine, *_LINE_COLUMNS),
        columns=outbox.COLUMNS,
        events=outbox.ROWS,
        emptied=_EMPTIED.format(ordered=rows("ordered", CartItem, "product_id", "quantity")) if of_cart else "",
        over="(SELECT what FROM over)" if counted else "NULL",
        redeemed="cardinality(:redemptions[].promotion_id::uuid[])" if adjusted else "0",
        adjusted=_adjusted() if adjusted else "",
    )
    return Statement(text)


def _adjusted() -> str:
    return _ADJUSTED.format(
        adjustments=rows("adjustments", OrderAdjustment, "position", "promotion_id", "code", "amount"),
        limited=rows("redemptions", NewRedemption, "promotion_id", "most").replace("AS redemptions", "AS limited"),
        redemptions=rows("redemptions", NewRedemption, "promotion_id", "code", "amount"),
    )


# An order without discounts must not pay for the parts of one that has some: even a part without rows costs time.
_STATEMENTS = {
    (of_cart, counted, adjusted): _place(of_cart=of_cart, counted=counted, adjusted=adjusted)
    for of_cart in (False, True)
    for counted in (False, True)
    for adjusted in (False, True)
}
SHOW_AGAIN = Statement(f"""
WITH shown AS ({SHOW.text}), stored AS (
    UPDATE idempotency_keys SET body = convert_to(shown.body, 'UTF8') FROM shown
    WHERE (user_id, operation, key) = (:caller_id, :key.operation, :key.value)
)
SELECT body, tag FROM shown
""")
FIND_CART = Statement("""
SELECT coalesce((SELECT version FROM carts WHERE customer_id = :customer_id), 0) AS version,
       NOT EXISTS (SELECT FROM cart_items WHERE customer_id = :customer_id) AS is_empty
""")
UNPAID_UNTIL = Statement("""
SELECT min(unpaid.pay_by) AS until,
       greatest(:least_pieces::int, floor(:stock_share::float8 * coalesce(
           (SELECT coalesce(on_hand, available) FROM stock_levels WHERE product_id = :product_id), 0)))::int AS pieces
FROM (
    SELECT id, pay_by FROM orders WHERE customer_id = :account AND client_address IS NOT NULL
    UNION
    SELECT id, pay_by FROM orders WHERE client_address = :address
) AS unpaid
WHERE :product_id::uuid IS NULL OR EXISTS (
    SELECT FROM order_lines AS line WHERE line.order_id = unpaid.id AND line.product_id = :product_id)
""")


@dataclass(frozen=True, slots=True)
class UnpaidLimits:
    """The limits for one order; None: no limit of this kind. `address` None: it is not known."""

    account: UUID
    address: str | None
    orders: int | None
    orders_of_address: int | None
    stock_share: float
    least_pieces: int | None

    @property
    def any(self) -> bool:
        return not (self.orders is None and self.orders_of_address is None and self.least_pieces is None)


class UnpaidLimitReached(Exception):
    """An unpaid order was placed concurrently: the order must be counted."""


class PromotionLimitReached(Exception):
    """A code was used for the last time concurrently: the codes must be read again."""


class Outcome(NamedTuple):
    """Whether the order was written; if not, which limit it would exceed (None: there was another reason)."""

    is_new: bool
    over: str | None


@dataclass(frozen=True, slots=True)
class OrderedCart:
    """The cart that an order is placed from, as it was read."""

    version: int
    items: Sequence[LineIn]


@dataclass(slots=True)
class NewOrder:
    """All that is written when an order is placed. An object of the ORM would cost more than all the rest of it, and a
    frozen dataclass takes three times as long to make."""

    id: UUID
    number: int
    customer_id: UUID
    payment_status: PaymentStatus
    currency: str
    total: int
    discount: int
    tax: int
    prices_include_tax: bool
    shipping: dict[str, Any] | None
    tax_note: str | None
    tax_id: str | None
    pay_by: datetime
    payment: str | None
    ship_to: Address
    bill_to: Address | None
    created_at: datetime
    lines: Sequence[QuoteLine]
    actor: str
    actor_id: UUID
    details: dict[str, Any] | None
    payment_token: str | None
    cart: OrderedCart | None
    client_address: str | None
    """The client address that the unpaid order is counted for; None: limits don't apply to it."""
    owes_alone: bool | None
    limits: UnpaidLimits | None
    """The limits that the order is counted against; None: it can't exceed any."""
    version: int
    adjustments: Sequence[Adjustment] = ()
    redemptions: Sequence[NewRedemption] = ()
    """Sorted by promotion."""
    customer_key: bytes | None = None
    status: Status = Status.PENDING
    fulfilment_status: FulfilmentStatus = FulfilmentStatus.UNFULFILLED
    stuck_reason: None = None


async def place(
    connection: Connection | Transaction, order: NewOrder, events: Sequence[Event], key: Key, body: bytes, location: str
) -> Outcome:
    """Writes the order, or nothing at all: the key was used before, the cart has changed, or a limit is reached.

    Hot: one statement, which on a Connection is the transaction. The key's insert waits for a duplicate request that is
    under way, and everything else depends on it, so that one key can't make two orders (`benchmarks/`: place an order).
    Of an order that is placed from a cart, the key depends on the cart's version, so that one cart can't make two
    orders.

    Raises: UnpaidLimitReached, PromotionLimitReached.
    """
    values = {
        "order": order, "lines": order.lines, "key": key, "body": body, "location": location,
        "events": outbox.rows(events), "traceparent": current_traceparent(),
    }  # fmt: skip
    if order.cart is not None:
        values["ordered"] = order.cart.items
    if order.limits is not None:
        values["largest"] = largest(order.lines)
    adjusted = bool(order.adjustments)
    if adjusted:
        values |= {"adjustments": order.adjustments, "redemptions": order.redemptions}
    statement = _STATEMENTS[order.cart is not None, order.limits is not None, adjusted]
    try:
        [(is_new, over)] = await statement.fetch(connection, **values)
    except UniqueViolationError as error:
        if error.constraint_name == ONE_UNPAID:
            raise UnpaidLimitReached from error
        raise
    except CheckViolationError as error:
        if error.constraint_name in LIMITS:
            raise PromotionLimitReached from error
        raise
    connection.added_events = bool(is_new)
    return Outcome(bool(is_new), over)


async def show_again(
    connection: Connection, order_id: UUID, key: Key, caller_id: UUID, *, for_staff: bool
) -> RenderedOrder:
    """The order as it is now, which becomes the stored response to the request that placed it."""
    values = {"order_id": order_id, "owner": None, "for_staff": for_staff, "key": key, "caller_id": caller_id}
    return RenderedOrder(*await SHOW_AGAIN.fetchrow(connection, **values))


async def unpaid_until(connection: Connection, limits: UnpaidLimits, what: str) -> tuple[datetime | None, int]:
    """When the first of the unpaid orders that count against the limit ends, and the limit in pieces of the product.
    `what`: the result of the database's function `unpaid_limit`."""
    until, pieces = await UNPAID_UNTIL.fetchrow(
        connection,
        account=None if what == "address" else limits.account,
        address=None if what == "account" else limits.address,
        product_id=None if what in ("account", "address") else UUID(what),
        least_pieces=limits.least_pieces or 0,
        stock_share=limits.stock_share,
    )
    return until, pieces


def largest(lines: Sequence[QuoteLine]) -> int:
    """The pieces of the product that most are ordered of."""
    if len(lines) == 1:
        return lines[0].quantity
    pieces: dict[UUID, int] = {}
    for line in lines:
        pieces[line.product_id] = pieces.get(line.product_id, 0) + line.quantity
    return max(pieces.values())
