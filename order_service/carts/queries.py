"""Every statement about carts; each is a transaction by itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from order_service.catalogue.models import Price, Product
from service_kit.database import HotConn

READ = """
SELECT c.product_id, c.quantity, c.added_at, p.sku, p.name, p.status, p.prices, s.available
FROM cart_items c
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
LEFT JOIN stock_levels s ON s.product_id = c.product_id
WHERE c.user_id = $1 ORDER BY c.added_at, c.product_id
"""
STATUS_OF_PRODUCT = "SELECT status FROM catalogue_products WHERE product_id = $1"
PUT = """
INSERT INTO cart_items (user_id, product_id, quantity, added_at)
SELECT $1, $2, $3, now()
WHERE (SELECT count(*) FROM cart_items WHERE user_id = $1 AND product_id <> $2) < $4
ON CONFLICT (user_id, product_id) DO UPDATE SET quantity = excluded.quantity
RETURNING true
"""
CHANGE = "UPDATE cart_items SET quantity = $3 WHERE user_id = $1 AND product_id = $2 RETURNING true"
REMOVE = "DELETE FROM cart_items WHERE user_id = $1 AND product_id = $2 RETURNING true"
EMPTY = "DELETE FROM cart_items WHERE user_id = $1"


@dataclass(frozen=True, slots=True)
class Item:
    """A cart's item with what is known of its product now; `product` None: nothing any more."""

    product_id: UUID
    quantity: int
    added_at: datetime
    product: Product | None
    available: int | None


async def read(connection: HotConn, user_id: UUID) -> Sequence[Item]:
    items = []
    for row in await connection.fetch(READ, user_id):
        product = None
        if row["sku"] is not None:
            prices = tuple(Price.of(price) for price in json.loads(row["prices"]))
            product = Product(row["product_id"], row["sku"], row["name"], row["status"], prices)
        items.append(Item(row["product_id"], row["quantity"], row["added_at"], product, row["available"]))
    return items


async def status_of_product(connection: HotConn, product_id: UUID) -> str | None:
    status: str | None = await connection.fetchval(STATUS_OF_PRODUCT, product_id)
    return status


async def put(connection: HotConn, user_id: UUID, product_id: UUID, quantity: int, most_items: int) -> bool:
    """False: the cart is full."""
    return await connection.fetchval(PUT, user_id, product_id, quantity, most_items) is not None


async def change(connection: HotConn, user_id: UUID, product_id: UUID, quantity: int) -> bool:
    """False: it was not there."""
    return await connection.fetchval(CHANGE, user_id, product_id, quantity) is not None


async def remove(connection: HotConn, user_id: UUID, product_id: UUID) -> bool:
    """False: it was not there."""
    return await connection.fetchval(REMOVE, user_id, product_id) is not None


async def empty(connection: HotConn, user_id: UUID) -> None:
    await connection.execute(EMPTY, user_id)
