"""Every statement about carts. A change executes `BEGIN_CHANGE` first, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from order_service.catalogue.models import Product
from order_service.rules.terms import with_terms
from service_kit.database import Connection, Statement, Transaction

# Version and items in one statement: from one snapshot, so that they belong together.
READ = Statement(f"""
SELECT coalesce(k.version, 0) AS version, k.codes AS entered_codes, {with_terms("k.codes")},
       c.product_id, c.quantity, c.added_at, p.sku, p.name, p.status, p.prices::text AS prices,
       p.facts::text AS facts, s.available
FROM (SELECT) AS one
LEFT JOIN carts k ON k.customer_id = :account_id
LEFT JOIN account_status a ON a.user_id = :account_id
LEFT JOIN cart_items c ON c.customer_id = :account_id
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
LEFT JOIN stock_levels s ON s.product_id = c.product_id
ORDER BY c.added_at, c.product_id
""")
# Raises the version and locks the cart, so that changes of one cart, and orders placed from it, are serialized: each
# sees the result of the one before.
BEGIN_CHANGE = Statement("""
INSERT INTO carts (customer_id, version) VALUES (:customer_id, 1)
ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1
""")
SET_CODES = Statement("UPDATE carts SET codes = :codes::text[] WHERE customer_id = :customer_id")
LOCK = Statement("""
INSERT INTO carts (customer_id, version) SELECT id, 1 FROM unnest(:customer_ids::uuid[]) AS id ORDER BY id
ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1
""")
UNITE_CODES = Statement("""
UPDATE carts AS into_cart SET codes = ARRAY(
    SELECT code FROM unnest(into_cart.codes || guest.codes) WITH ORDINALITY AS entered (code, n)
    GROUP BY code ORDER BY min(n) LIMIT :most_codes)
FROM carts AS guest WHERE into_cart.customer_id = :into AND guest.customer_id = :from_id
""")
HAS_ITEMS = Statement("SELECT EXISTS (SELECT FROM cart_items WHERE customer_id = :customer_id)")
STATUS_OF_PRODUCT = Statement("SELECT status FROM catalogue_products WHERE product_id = :product_id")
# Affects no row where the cart is full.
PUT = Statement("""
INSERT INTO cart_items (customer_id, product_id, quantity, added_at)
SELECT :customer_id, :product_id, :quantity, now()
WHERE (SELECT count(*) FROM cart_items WHERE customer_id = :customer_id AND product_id <> :product_id) < :most_items
ON CONFLICT (customer_id, product_id) DO UPDATE SET quantity = excluded.quantity
""")
CHANGE = Statement("""
UPDATE cart_items SET quantity = :quantity WHERE customer_id = :customer_id AND product_id = :product_id
""")
# The larger quantity, not the sum, so that repeating it changes nothing. The caller has locked both carts.
COPY = Statement("""
INSERT INTO cart_items AS mine (customer_id, product_id, quantity, added_at)
SELECT :into, product_id, quantity, added_at FROM cart_items WHERE customer_id = :from_id
ORDER BY added_at, product_id
ON CONFLICT (customer_id, product_id) DO UPDATE SET quantity = greatest(mine.quantity, excluded.quantity)
""")
CARTS_OF = Statement(
    "SELECT customer_id FROM carts WHERE customer_id = ANY(:customer_ids::uuid[]) ORDER BY customer_id"
)
DELETE = Statement("DELETE FROM carts WHERE customer_id = :customer_id")
COUNT = Statement("SELECT count(*) FROM cart_items WHERE customer_id = :customer_id")
# Those that were added last.
DROP_EXCESS = Statement("""
DELETE FROM cart_items WHERE (customer_id, product_id) IN (
    SELECT customer_id, product_id FROM cart_items WHERE customer_id = :customer_id
    ORDER BY added_at DESC, product_id DESC LIMIT greatest(
        0, (SELECT count(*) FROM cart_items WHERE customer_id = :customer_id) - :most_items))
""")
REMOVE = Statement("DELETE FROM cart_items WHERE customer_id = :customer_id AND product_id = :product_id")
EMPTY = Statement("DELETE FROM cart_items WHERE customer_id = :customer_id")


@dataclass(frozen=True, slots=True)
class Item:
    """A cart's item with what is known of its product now; `product` is None if the product is unknown."""

    product_id: UUID
    quantity: int
    added_at: datetime
    product: Product | None
    available: int | None
    agreed_unit_price: None = None
    """None: the items of a cart have only catalogue prices."""


async def read(connection: Connection | Transaction, customer_id: UUID) -> tuple[Any, Sequence[Item]]:
    """The cart's items, and a row with its `version` (0 if it never had an item), its codes (`entered_codes`) and the
    columns of `rules.terms`."""
    found = await READ.fetch(connection, account_id=customer_id, tax_id=None)
    return found[0], [
        Item(
            row["product_id"], row["quantity"], row["added_at"],
            Product.of(row) if row["sku"] is not None else None, row["available"],
        )
        for row in found
        if row["product_id"] is not None
    ]  # fmt: skip
