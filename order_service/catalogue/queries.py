"""Writing our copies: one statement for a batch, and the higher `version` wins, whatever order they come in."""

import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

from contracts.events.base import Event
from contracts.events.products import ProductChanged, ProductDeleted
from contracts.events.stock_levels import StockChanged
from contracts.events.users import UserChanged, UserErased
from service_kit.database import HotTx

Snapshot = TypeVar("Snapshot", bound=Event)

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
UPSERT_CUSTOMERS = """
INSERT INTO customers (user_id, email, name, active, version, email_verified, erased)
SELECT seen.*, false FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::bigint[], $6::bool[]) AS seen
ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, name = excluded.name, active = excluded.active,
    version = excluded.version, email_verified = excluded.email_verified
WHERE customers.version < excluded.version AND NOT customers.erased
"""
ERASE_CUSTOMERS = """
WITH gone AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS gone(user_id, version)
), carts_of_them AS (
    DELETE FROM carts USING gone WHERE carts.user_id = gone.user_id RETURNING carts.user_id
), emptied AS (
    -- After the carts: whoever changes items, or orders them, locks the cart first too.
    DELETE FROM cart_items USING (SELECT gone.user_id FROM gone LEFT JOIN carts_of_them USING (user_id)) AS owners
    WHERE cart_items.user_id = owners.user_id
)
INSERT INTO customers (user_id, email, name, active, version, erased)
SELECT gone.user_id, NULL, NULL, false, gone.version, true FROM gone
ON CONFLICT (user_id) DO UPDATE SET email = NULL, name = NULL, active = false, erased = true,
    version = excluded.version
"""


async def upsert_products(tx: HotTx, events: Iterable[ProductChanged]) -> None:
    latest = newest(events)
    await tx.execute(
        UPSERT_PRODUCTS,
        [event.product_id for event in latest],
        [event.sku for event in latest],
        [event.name for event in latest],
        [event.status for event in latest],
        [json.dumps([price.model_dump(mode="json") for price in event.prices]) for event in latest],
        [event.version for event in latest],
    )


async def delete_products(tx: HotTx, events: Iterable[ProductDeleted]) -> None:
    latest = newest(events)
    await tx.execute(DELETE_PRODUCTS, [event.product_id for event in latest], [event.version for event in latest])


async def upsert_stock_levels(tx: HotTx, events: Iterable[StockChanged]) -> None:
    latest = newest(events)
    await tx.execute(
        UPSERT_STOCK_LEVELS,
        [event.product_id for event in latest],
        [event.available for event in latest],
        [event.on_hand for event in latest],
        [event.version for event in latest],
    )


async def upsert_customers(tx: HotTx, events: Iterable[UserChanged]) -> None:
    latest = newest(events)
    await tx.execute(
        UPSERT_CUSTOMERS,
        [event.user_id for event in latest],
        [event.email for event in latest],
        [event.full_name for event in latest],
        [event.active for event in latest],
        [event.version for event in latest],
        [event.email_verified for event in latest],
    )


async def erase_customers(tx: HotTx, events: Iterable[UserErased]) -> None:
    """Nothing of them comes back: an erased customer's row takes no later snapshot."""
    latest = newest(events)
    await tx.execute(ERASE_CUSTOMERS, [event.user_id for event in latest], [event.version for event in latest])


def newest(events: Iterable[Snapshot]) -> Sequence[Snapshot]:
    """The last snapshot of each subject (one statement can't write a row twice), in the order of their ids."""
    latest: dict[str, Snapshot] = {}
    for event in events:
        known = latest.get(event.subject)
        if known is None or known.version < event.version:
            latest[event.subject] = event
    return [latest[subject] for subject in sorted(latest)]
