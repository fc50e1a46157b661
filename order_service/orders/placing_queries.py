"""The hot statements of placing an order: one that reads all that is needed, one that writes all that is made."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import UniqueViolationError

from contracts.address import Address
from contracts.events.base import Event
from order_service.catalogue.models import Price, Product
from order_service.orders.models import ONE_UNPAID, FulfilmentStatus, PaymentStatus, Status
from order_service.orders.schemas import LineIn
from order_service.pricing.quotes import QuoteLine
from service_kit.database import Connection
from service_kit.idempotency import IdempotencyKeyReused, Key, StoredResponse
from service_kit.messaging import outbox

# Products and cart are only read where the key is new: a request that is sent again gets its first answer, whatever
# became of them. The number is drawn here, since it stands in the events and in the answer; gaps do no harm.
_READ = """
SELECT k.body_hash AS stored_hash, k.status AS stored_status, k.body AS stored_body, k.location AS stored_location,
       (SELECT nextval('orders_number_seq')) AS number,
       (SELECT active FROM account_status
        WHERE user_id = $4::uuid AND (email IS NOT NULL OR erased)) AS customer_is_active,
       (SELECT coalesce(email_verified, true) FROM account_status
        WHERE user_id = coalesce($4::uuid, $1)) AS is_confirmed,
       EXISTS (SELECT FROM orders
               WHERE customer_id = coalesce($4::uuid, $1) AND client_address IS NOT NULL) AS account_owes,
       EXISTS (SELECT FROM orders WHERE client_address = $5::text) AS address_owes,
       {cart_version} AS cart_version, {wanted}.product_id, {quantity} AS quantity, p.sku, p.name, p.status, p.prices
FROM (SELECT) AS one
LEFT JOIN idempotency_keys k ON k.user_id = $1 AND k.operation = $2 AND k.key = $3
"""
READ = (
    _READ.format(cart_version="0", wanted="p", quantity="NULL::int")
    + "LEFT JOIN catalogue_products p ON k.key IS NULL AND p.product_id = ANY($6::uuid[])"
)
_CART_VERSION = "coalesce((SELECT version FROM carts WHERE customer_id = $1), 0)"
READ_CART = (
    _READ.format(cart_version=_CART_VERSION, wanted="c", quantity="c.quantity")
    + """
LEFT JOIN cart_items c ON k.key IS NULL AND c.customer_id = $1
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
ORDER BY c.added_at, c.product_id
"""
)
_PLACE = """
WITH {counted}{cart}key AS (
    INSERT INTO idempotency_keys (user_id, operation, key, body_hash, status, body, location)
    SELECT $1::uuid, $2, $3, $4::bytea, 201, $5::bytea, $6 FROM {condition}
    ON CONFLICT DO NOTHING RETURNING true AS is_new
), placed AS (
    INSERT INTO orders (id, number, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,
                        ship_to, created_at, status_since, version, client_address, owes_alone)
    SELECT $7, $8, $9, 'pending', 'unfulfilled', $10, $11::bigint, 0, 0, $12::timestamptz, $13::jsonb,
           $14::timestamptz, $14::timestamptz, $15::bigint, $27::text, $28::bool
    FROM key
), lines AS (
    INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, unit_price, discount, tax)
    SELECT $7, l.position, l.product_id, l.sku, l.name, l.quantity, l.unit_price, l.discount, l.tax
    FROM key, unnest($16::uuid[], $17::text[], $18::text[], $19::int[], $20::bigint[], $21::bigint[], $22::bigint[])
        WITH ORDINALITY AS l(product_id, sku, name, quantity, unit_price, discount, tax, position)
), history AS (
    INSERT INTO order_history (order_id, version, at, trigger, to_status, actor, actor_id, details)
    SELECT $7, $15::bigint, $14::timestamptz, 'placed', 'pending', $23, $24::uuid, $25::jsonb FROM key
), token AS (
    INSERT INTO payment_tokens (order_id, token, created_at)
    SELECT $7, $26::text, $14::timestamptz FROM key WHERE $26::text IS NOT NULL
), new_events AS (
    INSERT INTO outbox ({columns}) SELECT new_events.* FROM key, {events} AS new_events
){emptied}
SELECT (SELECT is_new FROM key), {over}
"""
# What the order would go beyond, and the lock that makes this count hold: before all else, so that the orders of one
# account come one after the other.
_COUNTED = """over AS (
    SELECT unpaid_limit(${0}, ${1}::text, ${2}::int, ${3}::int, $16::uuid[], $19::int[],
                        ${4}::int, ${5}::float8, ${6}::int) AS what
), room AS (
    SELECT FROM over WHERE what IS NULL
), """
_CART = """cart AS (
    INSERT INTO carts (customer_id, version) SELECT $1, 1 FROM {room}
    ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1 WHERE carts.version = $29::bigint
    RETURNING true
), """
_EMPTIED = """, emptied AS (
    DELETE FROM cart_items c USING key, unnest($30::uuid[], $31::int[]) AS ordered(product_id, quantity)
    WHERE c.customer_id = $1 AND c.product_id = ordered.product_id AND c.quantity = ordered.quantity
)"""


def _place(*, of_cart: bool, counted: bool) -> str:
    events = 32 if of_cart else 29
    limits = range(events + outbox.COLUMN_COUNT, events + outbox.COLUMN_COUNT + 7)
    room = "room" if counted else "(SELECT) AS room"
    return _PLACE.format(
        counted=_COUNTED.format(*limits) if counted else "",
        cart=_CART.format(room=room) if of_cart else "",
        condition="cart" if of_cart else room,
        columns=outbox.INSERT_COLUMNS,
        events=outbox.unnest(events),
        emptied=_EMPTIED if of_cart else "",
        over="(SELECT what FROM over)" if counted else "NULL",
    )


_STATEMENTS = {
    (of_cart, counted): _place(of_cart=of_cart, counted=counted)
    for of_cart in (False, True)
    for counted in (False, True)
}
FIND_CART = """
SELECT coalesce((SELECT version FROM carts WHERE customer_id = $1), 0) AS version,
       NOT EXISTS (SELECT FROM cart_items WHERE customer_id = $1) AS is_empty
"""
STORE_DECIDED = "UPDATE idempotency_keys SET body = $4 WHERE user_id = $1 AND operation = $2 AND key = $3"


UNPAID_UNTIL = """
SELECT min(unpaid.pay_by) AS until,
       greatest($4::int, floor($5::float8 * coalesce(
           (SELECT coalesce(on_hand, available) FROM stock_levels WHERE product_id = $3), 0)))::int AS pieces
FROM (
    SELECT id, pay_by FROM orders WHERE customer_id = $1 AND client_address IS NOT NULL
    UNION
    SELECT id, pay_by FROM orders WHERE client_address = $2
) AS unpaid
WHERE $3::uuid IS NULL OR EXISTS (
    SELECT FROM order_lines AS line WHERE line.order_id = unpaid.id AND line.product_id = $3)
"""


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


class UnpaidLimitReached(Exception):
    """An unpaid order was placed concurrently: the order must be counted."""


class Outcome(NamedTuple):
    """Whether the order was written, and else which limit there was no room in (None: it was not for a limit)."""

    is_new: bool
    over: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What stands before an order is made. `stored`: the request was carried out before, and nothing else was read."""

    stored: StoredResponse | None
    number: int
    customer_is_active: bool | None
    """Of the customer that was asked for; None: not known."""
    email_is_confirmed: bool
    account_has_unpaid: bool
    """Whether the account holds anything unpaid; `address_has_unpaid`: or the client address."""
    address_has_unpaid: bool
    products: dict[UUID, Product]
    cart: list[LineIn]
    cart_version: int


async def read(
    connection: Connection,
    caller_id: UUID,
    key: Key,
    customer_id: UUID | None,
    address: str | None,
    product_ids: Sequence[UUID],
) -> Found:
    """Hot. Raises: IdempotencyKeyReused."""
    rows = await connection.fetch(READ, caller_id, key.operation, key.value, customer_id, address, list(product_ids))
    return _found(rows, key)


async def read_cart(connection: Connection, caller_id: UUID, key: Key, address: str | None) -> Found:
    """The same, of the lines that stand in the customer's cart. Raises: IdempotencyKeyReused."""
    return _found(await connection.fetch(READ_CART, caller_id, key.operation, key.value, None, address), key)


@dataclass(frozen=True, slots=True)
class OrderedCart:
    """The cart that an order is placed from, as it was read."""

    version: int
    items: Sequence[LineIn]


@dataclass(frozen=True, slots=True)
class NewOrder:
    """All that is written when an order is placed; an object of the ORM would cost more than all the rest of it."""

    id: UUID
    number: int
    customer_id: UUID
    payment_status: PaymentStatus
    currency: str
    total: int
    pay_by: datetime
    ship_to: Address
    created_at: datetime
    lines: Sequence[QuoteLine]
    actor: str
    actor_id: UUID
    details: dict[str, Any] | None
    payment_token: str | None
    cart: OrderedCart | None
    client_address: str | None
    """Whom it counts for while it is unpaid; None: nobody."""
    owes_alone: bool | None
    limits: UnpaidLimits | None
    """To be counted against; None: it can't go beyond any."""
    version: int
    status: Status = Status.PENDING
    fulfilment_status: FulfilmentStatus = FulfilmentStatus.UNFULFILLED
    stuck_reason: None = None


async def place(
    connection: Connection, new: NewOrder, events: Sequence[Event], key: Key, body: bytes, location: str
) -> Outcome:
    """Writes the order, or nothing at all: the key was used before, the cart has changed, or a limit is reached.

    Hot: one statement, which is the transaction. The key's insert waits for a duplicate request that is under way, and
    everything else depends on it, so that one key can't make two orders (`benchmarks/`: place an order). Of an order
    that is placed from a cart, the key depends on the cart's version, so that one cart can't make two orders.

    Raises: UnpaidLimitReached.
    """
    lines, cart, limits = new.lines, new.cart, new.limits
    of_cart: tuple[Any, ...] = ()
    if cart is not None:
        items = cart.items
        of_cart = (cart.version, [item.product_id for item in items], [item.quantity for item in items])
    try:
        is_new, over = await connection.fetchrow(
            _STATEMENTS[cart is not None, limits is not None],
            *(new.actor_id, key.operation, key.value, key.body_hash, body, location),
            *(new.id, new.number, new.customer_id, new.currency, new.total, new.pay_by),
            *(new.ship_to.model_dump_json(), new.created_at, new.version),
            *_line_columns(lines),
            *(new.actor, new.actor_id, json.dumps(new.details) if new.details else None, new.payment_token),
            *(new.client_address, new.owes_alone),
            *of_cart,
            *outbox.columns(events),
            *(_limit_values(limits, lines) if limits else ()),
        )
    except UniqueViolationError as error:
        if error.constraint_name == ONE_UNPAID:
            raise UnpaidLimitReached from error
        raise
    connection.added_events = bool(is_new)
    return Outcome(bool(is_new), over)


def _line_columns(lines: Sequence[QuoteLine]) -> list[list[Any]]:
    return [
        [line.product_id for line in lines],
        [line.sku for line in lines],
        [line.name for line in lines],
        [line.quantity for line in lines],
        [line.unit_price for line in lines],
        [line.discount for line in lines],
        [line.tax for line in lines],
    ]


def _limit_values(limits: UnpaidLimits, lines: Sequence[QuoteLine]) -> tuple[Any, ...]:
    """What `unpaid_limit` is asked."""
    orders = (limits.account, limits.address, limits.orders, limits.orders_of_address)
    return (*orders, largest(lines), limits.stock_share, limits.least_pieces)


async def unpaid_until(connection: Connection, limits: UnpaidLimits, what: str) -> tuple[datetime | None, int]:
    """When the first of those unpaid orders that leave no room ends, and how many pieces of the product are the limit.
    `what`: as `unpaid_limit` says."""
    product_id = None if what in ("account", "address") else UUID(what)
    address = None if what == "account" else limits.address
    account = None if what == "address" else limits.account
    pieces = (limits.least_pieces or 0, limits.stock_share)
    row = await connection.fetchrow(UNPAID_UNTIL, account, address, product_id, *pieces)
    return row["until"], row["pieces"]


async def find_cart(connection: Connection, customer_id: UUID) -> tuple[int, bool]:
    """The cart's version now, and whether it is empty."""
    row = await connection.fetchrow(FIND_CART, customer_id)
    return row["version"], row["is_empty"]


async def store_decided(connection: Connection, caller_id: UUID, key: Key, body: bytes) -> None:
    """A duplicate request gets the response of the first, which had waited for the decision."""
    await connection.execute(STORE_DECIDED, caller_id, key.operation, key.value, body)


def _found(rows: Sequence[Any], key: Key) -> Found:
    first = rows[0]
    known = [row for row in rows if row["product_id"] is not None]
    return Found(
        stored=_stored(first, key) if first["stored_hash"] is not None else None,
        number=first["number"],
        customer_is_active=first["customer_is_active"],
        # One who was known before this was kept counts as confirmed; an unknown one has just registered.
        email_is_confirmed=bool(first["is_confirmed"]),
        account_has_unpaid=first["account_owes"],
        address_has_unpaid=first["address_owes"],
        products={row["product_id"]: _product(row) for row in known if row["sku"] is not None},
        cart=[LineIn(product_id=row["product_id"], quantity=row["quantity"]) for row in known if row["quantity"]],
        cart_version=first["cart_version"],
    )


def _stored(row: Any, key: Key) -> StoredResponse:
    if row["stored_hash"] != key.body_hash:
        raise IdempotencyKeyReused
    return StoredResponse(row["stored_status"], row["stored_body"] or b"", row["stored_location"])


def _product(row: Any) -> Product:
    return Product(row["product_id"], row["sku"], row["name"], row["status"], _prices(row["prices"]))


@lru_cache(maxsize=4096)
def _prices(stored: str) -> tuple[Price, ...]:
    """What is bought often is read from the database each time, and understood once."""
    return tuple(Price.of(price) for price in json.loads(stored))


def largest(lines: Sequence[QuoteLine]) -> int:
    """The pieces of the product that most are ordered of."""
    if len(lines) == 1:
        return lines[0].quantity
    pieces: Counter[UUID] = Counter()
    for line in lines:
        pieces[line.product_id] += line.quantity
    return max(pieces.values())
