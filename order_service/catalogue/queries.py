"""Updates our copies: one statement for a batch with one event per key; events of an older `version` are ignored."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from contracts.events.products import ProductChanged
from contracts.events.users import UserChanged
from order_service.catalogue.models import CatalogueProduct, StockLevel
from service_kit.database import Statement, Transaction, insert, rows

COPIED = {"sku", "name", "status", "prices", "version"}
FACTS = {"tax_class", "weight_g", "category_path", "family_id", "group_prices"}

UPSERT_PRODUCTS = Statement(f"""
{insert("products", CatalogueProduct)}
ON CONFLICT (product_id) DO UPDATE SET sku = excluded.sku, name = excluded.name, status = excluded.status,
    prices = excluded.prices, facts = excluded.facts, version = excluded.version
WHERE catalogue_products.version < excluded.version
""")
DELETE_PRODUCTS = Statement(f"""
INSERT INTO catalogue_products (product_id, sku, name, status, prices, version)
SELECT gone.product_id, '', '', 'deleted', '[]', gone.version
FROM {rows("gone", CatalogueProduct, "product_id", "version")}
ON CONFLICT (product_id) DO UPDATE SET status = excluded.status, prices = excluded.prices, version = excluded.version
WHERE catalogue_products.version < excluded.version
""")
UPSERT_STOCK_LEVELS = Statement(f"""
{insert("events", StockLevel)}
ON CONFLICT (product_id) DO UPDATE SET available = excluded.available, on_hand = excluded.on_hand,
    version = excluded.version
WHERE stock_levels.version < excluded.version
""")


class _Customer(NamedTuple):
    user_id: UUID
    version: int
    email: str
    full_name: str
    email_verified: bool
    groups: str | None
    """Separated by spaces, since `unnest` would flatten an array of arrays. None: not known."""


UPDATE_CUSTOMERS = Statement(f"""
UPDATE account_status AS known
SET email = event.email, name = event.full_name, email_verified = event.email_verified,
    groups = coalesce(string_to_array(event.groups, ' ')::uuid[], known.groups)
FROM {rows("event", _Customer)}
WHERE known.user_id = event.user_id AND known.version = event.version AND NOT known.erased
""")


async def upsert_products(tx: Transaction, events: Sequence[ProductChanged]) -> None:
    """One event per product."""
    products = [
        CatalogueProduct(
            **event.model_dump(include=COPIED, mode="json") | {"product_id": event.product_id},
            facts=event.model_dump(include=FACTS, mode="json"),
        )
        for event in events
    ]
    await UPSERT_PRODUCTS.execute(tx, products=products)


async def update_customers(tx: Transaction, events: Sequence[UserChanged]) -> None:
    """For events that have just updated the account status. Events from before there were groups don't change them."""
    found = [
        _Customer(
            event.user_id, event.version, event.email, event.full_name, event.email_verified,
            None if event.groups is None else " ".join(map(str, event.groups)),
        )
        for event in events
    ]  # fmt: skip
    await UPDATE_CUSTOMERS.execute(tx, event=found)
