"""Every statement about one product."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import col, select

from product_service.availability.models import Availability
from product_service.products.models import Product
from product_service.products.prices import ScheduledPrice
from service_kit.database import Connection, Session, Transaction
from service_kit.database.sessions import fetch

# The price that counts at $1 for $2 pieces in currency $3 (null: the product's own): the rule of contracts/pricing.py.
# The base price is a price for one piece that began with the product, so whatever is scheduled for one piece goes
# before it.
UNIT_PRICE = """
LEFT JOIN LATERAL (
    SELECT amount, currency
    FROM (
        SELECT DISTINCT ON (min_quantity) amount, currency
        FROM (
            SELECT p.price_amount, p.price_currency, 1, p.created_at, NULL::timestamptz
            UNION ALL
            SELECT amount, currency, min_quantity, starts_at, ends_at FROM prices WHERE product_id = p.id
        ) AS schedule (amount, currency, min_quantity, starts_at, ends_at)
        WHERE currency = coalesce($3::text, p.price_currency) AND min_quantity <= $2::int
          AND starts_at <= $1::timestamptz AND (ends_at IS NULL OR ends_at > $1::timestamptz)
        ORDER BY min_quantity, starts_at DESC, amount
    ) AS in_force
    ORDER BY amount
    LIMIT 1
) AS unit ON true
"""
AVAILABILITY = "LEFT JOIN availability a ON a.product_id = p.id"

_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# schemas.ProductOut, as JSON.
BODY = f"""
json_build_object(
    'id', p.id, 'sku', p.sku, 'slug', p.slug, 'name', p.name, 'description', p.description,
    'category_id', p.category_id, 'attributes', p.attributes,
    'price', json_build_object('amount', p.price_amount, 'currency', p.price_currency),
    'unit_price', CASE WHEN unit.amount IS NOT NULL
                       THEN json_build_object('amount', unit.amount, 'currency', unit.currency) END,
    'status', p.status,
    'availability', json_build_object(
        'available', coalesce(a.available, 0), 'on_hand', coalesce(a.on_hand, 0), 'reserved', coalesce(a.reserved, 0),
        'updated_at', to_char(a.updated_at AT TIME ZONE 'UTC', {_TIME})),
    'version', p.version,
    'created_at', to_char(p.created_at AT TIME ZONE 'UTC', {_TIME}),
    'updated_at', to_char(p.updated_at AT TIME ZONE 'UTC', {_TIME})
)::text
"""
_SHOW = f"""
SELECT {BODY} AS body, concat_ws('.', p.version, coalesce(a.version, 0), unit.amount) AS tag
FROM products p {AVAILABILITY} {UNIT_PRICE}
WHERE (p.status = 'active' OR $4::boolean)
"""
# Hot: the whole answer from one statement, as the text that is sent (benchmark: read a product by id).
SHOW_BY_ID = f"{_SHOW} AND p.id = $5"
SHOW_BY_SLUG = f"{_SHOW} AND p.slug = $5"
IS_SHOWN = "SELECT true FROM products WHERE id = $1 AND (status = 'active' OR $2)"
HOLD_CATEGORY = "SELECT true FROM categories WHERE id = $1 FOR KEY SHARE"

# Catalogues are created by the thousand: no session here.
_COLUMNS = tuple(Product.model_fields)
INSERT = f"""
INSERT INTO products ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"${n}" for n in range(1, len(_COLUMNS) + 1))})
ON CONFLICT DO NOTHING RETURNING id
"""

SET_SORT_KEYS = """
UPDATE products SET sort_key = given.sort_key FROM unnest($1::uuid[], $2::text[]) AS given (id, sort_key)
WHERE products.id = given.id
"""


class PriceQuery(NamedTuple):
    """What a product is shown for."""

    at: datetime
    quantity: int = 1
    currency: str | None = None
    hidden_too: bool = False


class RenderedProduct(NamedTuple):
    """A product as it goes out."""

    body: str
    tag: str


async def show(db: Connection | Transaction | Session, product_id: UUID, query: PriceQuery) -> RenderedProduct | None:
    return _shown(await fetch(db, SHOW_BY_ID, *query, product_id))


async def show_by_slug(db: Connection, slug: str, query: PriceQuery) -> RenderedProduct | None:
    return _shown(await fetch(db, SHOW_BY_SLUG, *query, slug))


async def is_shown(tx: Session, product_id: UUID, *, hidden_too: bool) -> bool:
    return bool(await fetch(tx, IS_SHOWN, product_id, hidden_too))


async def insert_if_free(tx: Transaction, product: Product) -> bool:
    """Whether it was stored; not when SKU or slug are taken, also by one who is about to commit."""
    values = [getattr(product, name) for name in _COLUMNS]
    values[_COLUMNS.index("attributes")] = json.dumps(product.attributes)
    return await tx.fetchval(INSERT, *values) is not None


async def id_of_sku(tx: Transaction, sku: str) -> UUID | None:
    found: UUID | None = await tx.fetchval("SELECT id FROM products WHERE sku = $1", sku)
    return found


async def lock_without_sort_key(tx: Transaction, limit: int) -> dict[UUID, str]:
    """Their names."""
    rows = await tx.fetch("SELECT id, name FROM products WHERE sort_key = '' LIMIT $1 FOR UPDATE SKIP LOCKED", limit)
    return {row["id"]: row["name"] for row in rows}


async def set_sort_keys(tx: Transaction, keys: Mapping[UUID, str]) -> None:
    await tx.execute(SET_SORT_KEYS, list(keys), list(keys.values()))


async def lock(tx: Session, product_id: UUID) -> Product | None:
    """Held until the transaction ends, so that the events of one product leave in the order of their versions."""
    return await tx.get(Product, product_id, with_for_update=True, populate_existing=True)


async def hold_category(tx: Transaction | Session, category_id: UUID) -> bool:
    """Whether it exists; then it can't be deleted before the transaction ends."""
    return bool(await fetch(tx, HOLD_CATEGORY, category_id))


async def had_stock(tx: Session, product_id: UUID) -> bool:
    return await tx.get(Availability, product_id) is not None


def _shown(rows: Sequence[Any]) -> RenderedProduct | None:
    return RenderedProduct(*rows[0]) if rows else None


async def scheduled_prices(tx: Session, product_id: UUID, now: datetime) -> Sequence[ScheduledPrice]:
    """Those that count or will, in the order of their tiers and starts."""
    ends_at, starts_at = col(ScheduledPrice.ends_at), col(ScheduledPrice.starts_at)
    statement = (
        select(ScheduledPrice)
        .where(
            ScheduledPrice.product_id == product_id, or_(ends_at.is_(None), and_(ends_at > now, ends_at > starts_at))
        )
        .order_by(col(ScheduledPrice.currency), col(ScheduledPrice.min_quantity), starts_at)
    )
    return (await tx.exec(statement)).all()
