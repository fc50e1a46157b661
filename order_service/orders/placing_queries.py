"""The hot statements of placing an order: one that reads all that is needed, one that writes all that is made."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import UniqueViolationError

from contracts.address import Address
from contracts.events.base import Event
from order_service.carts.models import CartItem
from order_service.catalogue.models import Product
from order_service.orders.models import ONE_UNPAID, FulfilmentStatus, OrderLine, PaymentStatus, Status
from order_service.orders.queries import SHOW, RenderedOrder
from order_service.orders.schemas import LineIn
from order_service.pricing.quotes import QuoteLine
from service_kit.database import Connection, Statement, rows
from service_kit.idempotency import IdempotencyKeyReused, Key, StoredResponse
from service_kit.messaging import outbox
from service_kit.telemetry.tracing import current_traceparent

# Products and cart are read only if the key is new: a duplicate request gets the stored response, even if they have
# changed since. The number is taken from the sequence here, since the events and the response contain it; gaps do no
# harm. An account without a stored `email_verified` is older than that column and counts as confirmed; an account that
# is unknown here has just registered and does not.
_READ = """
SELECT k.body_hash AS stored_hash, k.status AS stored_status, k.body AS stored_body, k.location AS stored_location,
       (SELECT nextval('orders_number_seq')) AS number,
       CASE WHEN a.email IS NOT NULL OR a.erased THEN a.active END AS customer_is_active,
       a.user_id IS NOT NULL AND coalesce(a.email_verified, true) AS email_is_confirmed,
       EXISTS (SELECT FROM orders WHERE customer_id = :account_id AND client_address IS NOT NULL) AS account_has_unpaid,
       EXISTS (SELECT FROM orders WHERE client_address = :address::text) AS address_has_unpaid,
       {cart_version} AS cart_version, {wanted}.product_id, {quantity} AS quantity, p.sku, p.name, p.status,
       p.prices::text AS prices
FROM (SELECT) AS one
LEFT JOIN account_status a ON a.user_id = :account_id
LEFT JOIN idempotency_keys k ON k.user_id = :caller_id AND k.operation = :key.operation AND k.key = :key.value
"""
READ = Statement(
    _READ.format(cart_version="0", wanted="p", quantity="NULL::int")
    + "LEFT JOIN catalogue_products p ON k.key IS NULL AND p.product_id = ANY(:product_ids::uuid[])"
)
_CART_VERSION = "coalesce((SELECT version FROM carts WHERE customer_id = :caller_id), 0)"
READ_CART = Statement(
    _READ.format(cart_version=_CART_VERSION, wanted="c", quantity="c.quantity")
    + """
LEFT JOIN cart_items c ON k.key IS NULL AND c.customer_id = :caller_id
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
ORDER BY c.added_at, c.product_id
"""
)
# Each part depends on the one before it: on room within the limits, on the cart's version, and on the key.
_PLACE = """
WITH {counted}{cart}key AS (
    INSERT INTO idempotency_keys (user_id, operation, key, body_hash, status, body, location)
    SELECT :order.actor_id::uuid, :key.operation, :key.value, :key.body_hash::bytea, 201, :body::bytea, :location
    FROM {condition}
    ON CONFLICT DO NOTHING RETURNING true AS is_new
), placed AS (
    INSERT INTO orders (id, number, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,
                        payment, ship_to, created_at, status_since, version, client_address, owes_alone)
    SELECT :order.id, :order.number, :order.customer_id, 'pending', 'unfulfilled', :order.currency,
           :order.total::bigint, 0, 0, :order.pay_by::timestamptz, :order.payment::text,
           :order.ship_to::jsonb, :order.created_at::timestamptz, :order.created_at::timestamptz,
           :order.version::bigint, :order.client_address::text, :order.owes_alone::bool
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
){emptied}
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
    ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1
    WHERE carts.version = :order.cart.version::bigint RETURNING true
), """
_EMPTIED = """, emptied AS (
    DELETE FROM cart_items c USING key, {ordered}
    WHERE c.customer_id = :order.actor_id AND c.product_id = ordered.product_id AND c.quantity = ordered.quantity
)"""
_LINE_COLUMNS = ("position", "product_id", "sku", "name", "quantity", "unit_price", "discount", "tax")


def _place(*, of_cart: bool, counted: bool) -> Statement:
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
    )
    return Statement(text)


_STATEMENTS = {
    (of_cart, counted): _place(of_cart=of_cart, counted=counted)
    for of_cart in (False, True)
    for counted in (False, True)
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


class Outcome(NamedTuple):
    """Whether the order was written; if not, which limit it would exceed (None: there was another reason)."""

    is_new: bool
    over: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What an order is made from. `stored`: the response to an earlier request with the key; nothing else was read."""

    stored: StoredResponse | None
    number: int
    customer_is_active: bool | None
    """Whether the customer of the order is active; None: the account is not known here."""
    email_is_confirmed: bool
    account_has_unpaid: bool
    """Whether the account holds anything unpaid; `address_has_unpaid`: or the client address."""
    address_has_unpaid: bool
    products: dict[UUID, Product]
    cart: list[LineIn]
    cart_version: int


async def read(
    connection: Connection, key: Key, caller_id: UUID, account_id: UUID, address: str | None, ids: Collection[UUID]
) -> Found:
    """Hot: with the products of these ids. Raises: IdempotencyKeyReused."""
    values = {"key": key, "caller_id": caller_id, "account_id": account_id, "address": address}
    return _found(await READ.fetch(connection, **values, product_ids=list(ids)), key)


async def read_cart(connection: Connection, key: Key, caller_id: UUID, address: str | None) -> Found:
    """The same, of the lines that stand in the caller's cart. Raises: IdempotencyKeyReused."""
    values = {"key": key, "caller_id": caller_id, "account_id": caller_id, "address": address}
    return _found(await READ_CART.fetch(connection, **values), key)


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
    pay_by: datetime
    payment: str | None
    ship_to: Address
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
    status: Status = Status.PENDING
    fulfilment_status: FulfilmentStatus = FulfilmentStatus.UNFULFILLED
    stuck_reason: None = None


async def place(
    connection: Connection, order: NewOrder, events: Sequence[Event], key: Key, body: bytes, location: str
) -> Outcome:
    """Writes the order, or nothing at all: the key was used before, the cart has changed, or a limit is reached.

    Hot: one statement, which is the transaction. The key's insert waits for a duplicate request that is under way, and
    everything else depends on it, so that one key can't make two orders (`benchmarks/`: place an order). Of an order
    that is placed from a cart, the key depends on the cart's version, so that one cart can't make two orders.

    Raises: UnpaidLimitReached.
    """
    values = {
        "order": order, "lines": order.lines, "key": key, "body": body, "location": location,
        "events": outbox.rows(events), "traceparent": current_traceparent(),
    }  # fmt: skip
    if order.cart is not None:
        values["ordered"] = order.cart.items
    if order.limits is not None:
        values["largest"] = largest(order.lines)
    statement = _STATEMENTS[order.cart is not None, order.limits is not None]
    try:
        [(is_new, over)] = await statement.fetch(connection, **values)
    except UniqueViolationError as error:
        if error.constraint_name == ONE_UNPAID:
            raise UnpaidLimitReached from error
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


def _found(found: Sequence[Any], key: Key) -> Found:
    first = found[0]
    known = [row for row in found if row["product_id"] is not None]
    return Found(
        stored=_stored(first, key) if first["stored_hash"] is not None else None,
        number=first["number"],
        customer_is_active=first["customer_is_active"],
        email_is_confirmed=first["email_is_confirmed"],
        account_has_unpaid=first["account_has_unpaid"],
        address_has_unpaid=first["address_has_unpaid"],
        products={row["product_id"]: Product.of(row) for row in known if row["sku"] is not None},
        cart=[LineIn(product_id=row["product_id"], quantity=row["quantity"]) for row in known if row["quantity"]],
        cart_version=first["cart_version"],
    )


def _stored(row: Any, key: Key) -> StoredResponse:
    if row["stored_hash"] != key.body_hash:
        raise IdempotencyKeyReused
    return StoredResponse(row["stored_status"], row["stored_body"] or b"", row["stored_location"])


def largest(lines: Sequence[QuoteLine]) -> int:
    """The pieces of the product that most are ordered of."""
    if len(lines) == 1:
        return lines[0].quantity
    pieces: dict[UUID, int] = {}
    for line in lines:
        pieces[line.product_id] = pieces.get(line.product_id, 0) + line.quantity
    return max(pieces.values())
