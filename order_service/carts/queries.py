"""Every statement about carts. Whoever changes one calls `begin_change` first, in the same transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from order_service.catalogue.models import Price, Product
from service_kit.database import Connection, Transaction

# Version and items in one statement: from one snapshot, so that they belong together.
READ = """
SELECT coalesce((SELECT version FROM carts WHERE customer_id = $1), 0) AS version,
       c.product_id, c.quantity, c.added_at, p.sku, p.name, p.status, p.prices, s.available
FROM (SELECT) AS one
LEFT JOIN cart_items c ON c.customer_id = $1
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
LEFT JOIN stock_levels s ON s.product_id = c.product_id
ORDER BY c.added_at, c.product_id
"""
BEGIN_CHANGE = """
INSERT INTO carts (customer_id, version) VALUES ($1, 1)
ON CONFLICT (customer_id) DO UPDATE SET version = carts.version + 1
"""
STATUS_OF_PRODUCT = "SELECT status FROM catalogue_products WHERE product_id = $1"
PUT = """
INSERT INTO cart_items (customer_id, product_id, quantity, added_at)
SELECT $1, $2, $3, now()
WHERE (SELECT count(*) FROM cart_items WHERE customer_id = $1 AND product_id <> $2) < $4
ON CONFLICT (customer_id, product_id) DO UPDATE SET quantity = excluded.quantity
RETURNING true
"""
CHANGE = "UPDATE cart_items SET quantity = $3 WHERE customer_id = $1 AND product_id = $2 RETURNING true"
REMOVE = "DELETE FROM cart_items WHERE customer_id = $1 AND product_id = $2 RETURNING true"
EMPTY = "DELETE FROM cart_items WHERE customer_id = $1"


@dataclass(frozen=True, slots=True)
class Item:
    """A cart's item with what is known of its product now; `product` None: nothing any more."""

    product_id: UUID
    quantity: int
    added_at: datetime
    product: Product | None
    available: int | None
    agreed_unit_price: None = None
    """A cart has the catalogue's prices alone."""


async def read(connection: Connection | Transaction, customer_id: UUID) -> tuple[int, Sequence[Item]]:
    """The cart's version, 0 if it never had an item, and its items."""
    items = []
    rows = await connection.fetch(READ, customer_id)
    for row in rows:
        if row["product_id"] is None:
            continue
        product = None
        if row["sku"] is not None:
            prices = tuple(Price.of(price) for price in json.loads(row["prices"]))
            product = Product(row["product_id"], row["sku"], row["name"], row["status"], prices)
        items.append(Item(row["product_id"], row["quantity"], row["added_at"], product, row["available"]))
    return rows[0]["version"], items


async def begin_change(tx: Transaction, customer_id: UUID) -> None:
    """Raises the version and locks the cart, so that changes of one cart, and an order that is placed from it, come one
    after the other, each seeing what the one before has left."""
    await tx.execute(BEGIN_CHANGE, customer_id)


async def status_of_product(tx: Transaction, product_id: UUID) -> str | None:
    status: str | None = await tx.fetchval(STATUS_OF_PRODUCT, product_id)
    return status


async def put(tx: Transaction, customer_id: UUID, product_id: UUID, quantity: int, most_items: int) -> bool:
    """False: the cart is full."""
    return await tx.fetchval(PUT, customer_id, product_id, quantity, most_items) is not None


async def change(tx: Transaction, customer_id: UUID, product_id: UUID, quantity: int) -> bool:
    """False: it was not there."""
    return await tx.fetchval(CHANGE, customer_id, product_id, quantity) is not None


async def remove(tx: Transaction, customer_id: UUID, product_id: UUID) -> bool:
    """False: it was not there."""
    return await tx.fetchval(REMOVE, customer_id, product_id) is not None


async def empty(tx: Transaction, customer_id: UUID) -> None:
    await tx.execute(EMPTY, customer_id)
