"""Every statement about carts. A change executes `BEGIN_CHANGE` first, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from order_service.catalogue.models import Product
from service_kit.database import Connection, Statement, Transaction

# Version and items in one statement: from one snapshot, so that they belong together.
READ = Statement("""
SELECT coalesce((SELECT version FROM carts WHERE customer_id = :customer_id), 0) AS version,
       c.product_id, c.quantity, c.added_at, p.sku, p.name, p.status, p.prices::text AS prices, s.available
FROM (SELECT) AS one
LEFT JOIN cart_items c ON c.customer_id = :customer_id
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
LOCK = Statement("""
INSERT INTO carts (customer_id, version) SELECT id, 1 FROM unnest(:customer_ids::uuid[]) AS id ORDER BY id
ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1
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


async def read(connection: Connection | Transaction, customer_id: UUID) -> tuple[int, Sequence[Item]]:
    """The cart's version, 0 if it never had an item, and its items."""
    found = await READ.fetch(connection, customer_id=customer_id)
    return found[0]["version"], [
        Item(
            row["product_id"], row["quantity"], row["added_at"],
            Product.of(row) if row["sku"] is not None else None, row["available"],
        )
        for row in found
        if row["product_id"] is not None
    ]  # fmt: skip
