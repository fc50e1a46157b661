"""Writing our copies: one statement for a batch of one event per key; the higher `version` wins in any order."""

import json
from collections.abc import Sequence

from contracts.events.products import ProductChanged, ProductDeleted
from contracts.events.stock_levels import StockChanged
from contracts.events.users import UserChanged
from service_kit.database import Transaction

UPSERT_PRODUCTS = """
INSERT INTO catalogue_products (product_id, sku, name, status, prices, version)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[])
ON CONFLICT (product_id) DO UPDATE SET sku = excluded.sku, name = excluded.name, status = excluded.status,
    prices = excluded.prices, version = excluded.version
WHERE catalogue_products.version < excluded.version
"""
DELETE_PRODUCTS = """
INSERT INTO catalogue_products (product_id, sku, name, status, prices, version)
SELECT gone.product_id, '', '', 'deleted', '[]', gone.version
FROM unnest($1::uuid[], $2::bigint[]) AS gone(product_id, version)
ON CONFLICT (product_id) DO UPDATE SET status = excluded.status, prices = excluded.prices, version = excluded.version
WHERE catalogue_products.version < excluded.version
"""
UPSERT_STOCK_LEVELS = """
INSERT INTO stock_levels (product_id, available, on_hand, version)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
ON CONFLICT (product_id) DO UPDATE SET available = excluded.available, on_hand = excluded.on_hand,
    version = excluded.version
WHERE stock_levels.version < excluded.version
"""
UPDATE_CUSTOMERS = """
UPDATE account_status AS known
SET email = event.email, name = event.name, email_verified = event.email_verified
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bool[])
     AS event (user_id, version, email, name, email_verified)
WHERE known.user_id = event.user_id AND known.version = event.version AND NOT known.erased
"""


async def upsert_products(tx: Transaction, events: Sequence[ProductChanged]) -> None:
    await tx.execute(
        UPSERT_PRODUCTS,
        [event.product_id for event in events],
        [event.sku for event in events],
        [event.name for event in events],
        [event.status for event in events],
        [json.dumps([price.model_dump(mode="json") for price in event.prices]) for event in events],
        [event.version for event in events],
    )


async def delete_products(tx: Transaction, events: Sequence[ProductDeleted]) -> None:
    await tx.execute(DELETE_PRODUCTS, [event.product_id for event in events], [event.version for event in events])


async def upsert_stock_levels(tx: Transaction, events: Sequence[StockChanged]) -> None:
    await tx.execute(
        UPSERT_STOCK_LEVELS,
        [event.product_id for event in events],
        [event.available for event in events],
        [event.on_hand for event in events],
        [event.version for event in events],
    )


async def update_customers(tx: Transaction, events: Sequence[UserChanged]) -> None:
    """Of those events that the account status has just been updated from."""
    await tx.execute(
        UPDATE_CUSTOMERS,
        [event.user_id for event in events],
        [event.version for event in events],
        [event.email for event in events],
        [event.full_name for event in events],
        [event.email_verified for event in events],
    )
