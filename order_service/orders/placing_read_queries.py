"""What placing an order or quoting one reads, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from order_service.catalogue.models import Product
from order_service.orders.schemas import LineIn, OrderIn
from order_service.rules.terms import PLAIN, with_terms
from service_kit.database import Connection, Statement, Transaction
from service_kit.idempotency import IdempotencyKeyReused, Key, StoredResponse

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
       {terms}, {cart_version} AS cart_version, {wanted}.product_id, {quantity} AS quantity, p.sku, p.name, p.status,
       p.prices::text AS prices, p.facts::text AS facts
FROM (SELECT) AS one
LEFT JOIN account_status a ON a.user_id = :account_id
LEFT JOIN idempotency_keys k ON k.user_id = :caller_id AND k.operation = :key.operation AND k.key = :key.value
"""
_PRODUCTS = "LEFT JOIN catalogue_products p ON k.key IS NULL AND p.product_id = ANY(:product_ids::uuid[])"
READ = Statement(_READ.format(terms=PLAIN, cart_version="0", wanted="p", quantity="NULL::int") + _PRODUCTS)
READ_WITH_TERMS = Statement(
    _READ.format(terms=with_terms(":codes::text[]"), cart_version="0", wanted="p", quantity="NULL::int") + _PRODUCTS
)
_CART_VERSION = "coalesce((SELECT version FROM carts WHERE customer_id = :caller_id), 0)"
_CART_CODES = "coalesce(:codes::text[], (SELECT codes FROM carts WHERE customer_id = :caller_id))"
READ_CART = Statement(
    _READ.format(terms=with_terms(_CART_CODES), cart_version=_CART_VERSION, wanted="c", quantity="c.quantity")
    + """
LEFT JOIN cart_items c ON k.key IS NULL AND c.customer_id = :caller_id
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
ORDER BY c.added_at, c.product_id
"""
)


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
    row: Any
    """With the columns of `rules.terms`."""


async def read(
    connection: Connection | Transaction,
    key: Key,
    caller_id: UUID,
    account_id: UUID,
    address: str | None,
    wanted: OrderIn,
) -> Found:
    """Hot: with the products of the order's lines. Raises: IdempotencyKeyReused."""
    values: dict[str, Any] = {"key": key, "caller_id": caller_id, "account_id": account_id, "address": address}
    values["product_ids"] = list({line.product_id for line in wanted.lines or ()})
    if not wanted.codes and wanted.tax_id is None:
        return _found(await READ.fetch(connection, **values), key)
    terms = {"codes": wanted.codes or [], "tax_id": wanted.tax_id}
    return _found(await READ_WITH_TERMS.fetch(connection, **values, **terms), key)


async def read_cart(connection: Connection, key: Key, caller_id: UUID, address: str | None, wanted: OrderIn) -> Found:
    """The same, of the lines that stand in the caller's cart. Raises: IdempotencyKeyReused."""
    values = {"key": key, "caller_id": caller_id, "account_id": caller_id, "address": address}
    terms = {"codes": wanted.codes, "tax_id": wanted.tax_id}
    return _found(await READ_CART.fetch(connection, **values, **terms), key)


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
        row=first,
    )


def _stored(row: Any, key: Key) -> StoredResponse:
    if row["stored_hash"] != key.body_hash:
        raise IdempotencyKeyReused
    return StoredResponse(row["stored_status"], row["stored_body"] or b"", row["stored_location"])
