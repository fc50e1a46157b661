"""Every statement about one product."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from product_service.availability.models import Availability
from product_service.products.families import Family
from product_service.products.models import Product, Republication
from product_service.products.prices import BasePrice, ScheduledPrice, UnitPrice
from service_kit.database import AnySession, Connection, Session, Statement, Transaction, insert

Kind = TypeVar("Kind", bound=UnitPrice)
# The unit price for a `PriceQuery`, by the rule of contracts/pricing.py. The base price counts as one for a single
# piece that started when the product was created, so that every scheduled price for a single piece takes precedence.
UNIT_PRICE = """
LEFT JOIN LATERAL (
    SELECT amount, currency, prior_amount
    FROM (
        SELECT DISTINCT ON (min_quantity) amount, currency, prior_amount
        FROM (
            SELECT p.price_amount, p.price_currency, 1, p.created_at, NULL::timestamptz, p.price_prior_amount
            UNION ALL
            SELECT amount, currency, min_quantity, starts_at, ends_at, prior_amount FROM prices WHERE product_id = p.id
        ) AS schedule (amount, currency, min_quantity, starts_at, ends_at, prior_amount)
        WHERE currency = coalesce(:query.currency::text, p.price_currency) AND min_quantity <= :query.quantity::int
          AND starts_at <= :query.at::timestamptz AND (ends_at IS NULL OR ends_at > :query.at::timestamptz)
        ORDER BY min_quantity, starts_at DESC, amount
    ) AS in_force
    ORDER BY amount
    LIMIT 1
) AS unit ON true
"""
AVAILABILITY = "LEFT JOIN availability a ON a.product_id = p.id"
# Without a language, the comparison with NULL ends the probe of the index at once.
TRANSLATION = """
LEFT JOIN translations tr ON tr.entity = 'product' AND tr.entity_id = p.id AND tr.locale = :query.locale::text
"""

TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# `schemas.ProductOut`.
BODY_JSON = f"""
json_build_object(
    'id', p.id, 'sku', p.sku, 'slug', p.slug, 'name', coalesce(tr.fields ->> 'name', p.name),
    'description', coalesce(tr.fields ->> 'description', p.description),
    'category_id', p.category_id, 'attributes', p.attributes, 'family_id', p.family_id, 'options', p.options,
    'brand', p.brand, 'gtin', p.gtin, 'tags', p.tags, 'dimensions', p.dimensions,
    'seo', coalesce(tr.fields -> 'seo', p.seo), 'images', p.images,
    'external_ids', CASE WHEN :query.hidden_too::boolean THEN p.external_ids END,
    'metadata', CASE WHEN :query.hidden_too::boolean THEN p.meta END,
    'rating', (
        SELECT json_build_object('average', round(r.total::numeric / r.count, 2)::text, 'count', r.count)
        FROM review_stats r WHERE r.reviewed_id = coalesce(p.family_id, p.id) AND r.count > 0
    ),
    'price', json_build_object('amount', p.price_amount, 'currency', p.price_currency),
    'unit_price', CASE WHEN unit.amount IS NOT NULL
                       THEN json_build_object('amount', unit.amount, 'currency', unit.currency) END,
    'reduction', CASE WHEN unit.amount < unit.prior_amount THEN json_build_object(
        'prior', json_build_object('amount', unit.prior_amount, 'currency', unit.currency),
        'percent', (unit.prior_amount - unit.amount) * 100 / unit.prior_amount) END,
    'tax_class', p.tax_class, 'weight_g', p.weight_g, 'status', p.status,
    'availability', json_build_object(
        'available', coalesce(a.available, 0), 'on_hand', coalesce(a.on_hand, 0), 'reserved', coalesce(a.reserved, 0),
        'updated_at', to_char(a.updated_at AT TIME ZONE 'UTC', {TIME})),
    'version', p.version,
    'created_at', to_char(p.created_at AT TIME ZONE 'UTC', {TIME}),
    'updated_at', to_char(p.updated_at AT TIME ZONE 'UTC', {TIME})
)
"""
BODY = f"{BODY_JSON}::text"
TAG = """concat_ws('.', p.version, coalesce(a.version, 0), unit.amount, unit.prior_amount, (
    SELECT r.version FROM review_stats r WHERE r.reviewed_id = coalesce(p.family_id, p.id)
), tr.locale, tr.version)"""
JOINS = f"{AVAILABILITY} {UNIT_PRICE} {TRANSLATION}"
"""What `BODY_JSON` and `TAG` need besides the product `p`."""
_SHOW = f"""
SELECT {BODY} AS body, {TAG} AS tag, tr.locale AS language
FROM products p {JOINS}
WHERE (p.status = 'active' OR :query.hidden_too::boolean)
"""
# Hot: one statement returns the whole response body (benchmark: read a product by id).
SHOW_BY_ID = Statement(f"{_SHOW} AND p.id = :id")
SHOW_BY_SLUG = Statement(f"{_SHOW} AND p.slug = :slug")
IS_SHOWN = Statement("SELECT true FROM products WHERE id = :id AND (status = 'active' OR :hidden_too)")
# Every transaction that publishes a product shares this lock, and one that moves a category has it alone. So a product
# is published with its present path, or before the move ends, and then the republication finds it. It is the first
# lock of a transaction: otherwise two of them could wait for each other. The number is arbitrary.
SHARE_TREE = Statement("SELECT pg_advisory_xact_lock_shared(0x74726565)")
LOCK_TREE = Statement("SELECT pg_advisory_xact_lock(0x74726565)")
LOCK_CATEGORY = Statement("SELECT true FROM categories WHERE id = :id FOR KEY SHARE")
LOCK_FAMILY = Statement("SELECT to_json(f)::text FROM families f WHERE id = :id FOR NO KEY UPDATE")
CATEGORY_PATHS = Statement("""
WITH RECURSIVE above AS (
    SELECT id AS start, id, parent_id, 1 AS level FROM categories WHERE id = ANY(:ids::uuid[])
    UNION ALL
    SELECT above.start, c.id, c.parent_id, above.level + 1 FROM categories c JOIN above ON c.id = above.parent_id
) SELECT start, id FROM above ORDER BY start, level
""")
REQUEST_REPUBLICATION = Statement(f"""
{insert("new", Republication)}
ON CONFLICT (category_id) DO UPDATE SET after_id = excluded.after_id, requested_at = excluded.requested_at
""")
_BELOW = text("""category_id IN (
    WITH RECURSIVE below AS (
        SELECT CAST(:category_id AS uuid) AS id
        UNION ALL SELECT c.id FROM categories c JOIN below ON c.parent_id = below.id
    ) SELECT id FROM below)""")

# Products are queued for the rules of prices, if there are any. Rows are locked in the order of their products.
QUEUE = "INSERT INTO price_rule_queue (product_id, due_at)"
QUEUE_CHANGED = Statement(f"""
{QUEUE} SELECT id, :now::timestamptz FROM unnest(:ids::uuid[]) AS id WHERE EXISTS (SELECT FROM price_rules) ORDER BY id
ON CONFLICT (product_id) DO UPDATE SET due_at = least(price_rule_queue.due_at, excluded.due_at)
""")

# An import creates thousands of products, so this does without the overhead of an ORM session.
INSERT = Statement(f"{insert('new', Product, *Product.model_fields)} ON CONFLICT DO NOTHING")
INSERT_FREE = Statement(f"{INSERT.text} RETURNING id")
ID_OF_SKU = Statement("SELECT id FROM products WHERE sku = :sku")
ID_OF_GTIN = Statement("SELECT id FROM products WHERE gtin = :gtin::text AND id <> :id")
ID_OF_VARIANT = Statement("""
SELECT id FROM products WHERE family_id = :family_id::uuid AND options = :options::jsonb AND id <> :id
""")
OPTIONS = Statement("SELECT options::text FROM products WHERE family_id = :family_id")
COUNT_VARIANTS = Statement("SELECT count(*) FROM products WHERE family_id = :family_id AND id <> :id")


class PriceQuery(NamedTuple):
    """The time, quantity and currency that a unit price is for, whether hidden products are shown, and the language of
    the texts (None: the main one)."""

    at: datetime
    quantity: int = 1
    currency: str | None = None
    hidden_too: bool = False
    locale: str | None = None


class RenderedProduct(NamedTuple):
    """A product as a response body, its entity tag, and the language that it was translated to, if it was."""

    body: str
    tag: str
    language: str | None


async def show(db: AnySession, product_id: UUID, query: PriceQuery) -> RenderedProduct | None:
    return _rendered(await SHOW_BY_ID.fetch(db, query=query, id=product_id))


async def show_by_slug(db: Connection, slug: str, query: PriceQuery) -> RenderedProduct | None:
    return _rendered(await SHOW_BY_SLUG.fetch(db, query=query, slug=slug))


def _rendered(rows: Sequence[Any]) -> RenderedProduct | None:
    return RenderedProduct(*rows[0]) if rows else None


async def is_shown(tx: Session, product_id: UUID, *, hidden_too: bool) -> bool:
    return bool(await IS_SHOWN.fetch(tx, id=product_id, hidden_too=hidden_too))


async def insert_free(tx: Session, products: Sequence[Product]) -> set[UUID]:
    """Returns the ids of those that were inserted: the others have a unique value of another product."""
    return {id for (id,) in await INSERT_FREE.fetch(tx, new=products)} if products else set()


async def insert_if_free(tx: Transaction | Session, product: Product) -> bool:
    """Returns False if another product has the SKU or slug. It waits for concurrent transactions that insert one."""
    return await INSERT.execute(tx, new=[product]) > 0


async def id_of_sku(tx: Transaction | Session, sku: str) -> UUID | None:
    found: UUID | None = await ID_OF_SKU.fetchval(tx, sku=sku)
    return found


async def id_of_gtin(tx: Transaction | Session, product: Product) -> UUID | None:
    """Of another product with the same GTIN."""
    found: UUID | None = await ID_OF_GTIN.fetchval(tx, gtin=product.gtin, id=product.id)
    return found


async def id_of_variant(tx: Transaction | Session, product: Product) -> UUID | None:
    """Of another product of the same family with the same options."""
    found: UUID | None = await ID_OF_VARIANT.fetchval(
        tx, family_id=product.family_id, options=product.options, id=product.id
    )
    return found


async def count_other_variants(tx: Transaction | Session, product: Product) -> int:
    found: int = await COUNT_VARIANTS.fetchval(tx, family_id=product.family_id, id=product.id)
    return found


async def options_of(tx: Transaction, family_id: UUID) -> list[dict[str, str]]:
    """The options of each product of the family."""
    return [json.loads(options) for (options,) in await OPTIONS.fetch(tx, family_id=family_id)]


async def lock_family(tx: Transaction | Session, family_id: UUID) -> Family | None:
    """Locks the family until the transaction ends, so that its options and the number of its products stay."""
    found = await LOCK_FAMILY.fetchval(tx, id=family_id)
    return Family.model_validate(json.loads(found)) if found else None


async def lock_without_sort_key(tx: Session, limit: int) -> Sequence[Product]:
    """The condition is literally that of the partial index: with a parameter, PostgreSQL could not use the index."""
    statement = select(Product).where(text("sort_key = ''")).limit(limit).with_for_update(skip_locked=True)
    return (await tx.exec(statement)).all()


async def share_tree(tx: Transaction | Session) -> None:
    await SHARE_TREE.fetch(tx)


async def lock(tx: Session, product_id: UUID) -> Product | None:
    """Locks the product until the transaction ends, so that its events are published in the order of their versions."""
    return await tx.get(Product, product_id, with_for_update=True, populate_existing=True)


async def lock_all(tx: Session, ids: Collection[UUID]) -> Sequence[Product]:
    """Locks these products, in the order of their ids. Those that were deleted are missing."""
    found = select(Product).where(col(Product.id).in_(ids)).order_by(col(Product.id))
    return (await tx.exec(found.with_for_update().execution_options(populate_existing=True))).all()


async def lock_category(tx: Transaction | Session, category_id: UUID) -> bool:
    """Keeps the category from being deleted before the transaction ends. Returns False if there is none."""
    return bool(await LOCK_CATEGORY.fetch(tx, id=category_id))


async def category_path(tx: Transaction | Session, category_id: UUID | None) -> list[UUID]:
    """The category and all above it."""
    return (await category_paths(tx, {category_id}))[category_id]


async def category_paths(
    tx: Transaction | Session, category_ids: Iterable[UUID | None]
) -> dict[UUID | None, list[UUID]]:
    """Each category with all above it. No category (None) has an empty path."""
    paths: dict[UUID | None, list[UUID]] = {each: [] for each in (None, *category_ids)}
    if known := [each for each in paths if each]:
        for start, id in await CATEGORY_PATHS.fetch(tx, ids=known):
            paths[start].append(id)
    return paths


async def request_republication(tx: Transaction | Session, category_id: UUID | None = None) -> None:
    """Of all products, or of those in this category and below it."""
    await REQUEST_REPUBLICATION.execute(tx, new=[Republication(category_id=category_id)])


async def next_republication(tx: Session) -> Republication | None:
    """The oldest request that no other process works on, locked until the transaction ends."""
    oldest = select(Republication).order_by(col(Republication.requested_at)).limit(1)
    return (await tx.exec(oldest.with_for_update(skip_locked=True))).first()


async def lock_next(tx: Session, request: Republication, limit: int) -> Sequence[Product]:
    """The next products of a republication, locked until the transaction ends."""
    products = select(Product).where(col(Product.id) > request.after_id).order_by(col(Product.id)).limit(limit)
    if request.category_id is not None:
        products = products.where(_BELOW.bindparams(category_id=request.category_id))
    return (await tx.exec(products.with_for_update())).all()


async def lock_by_sku(tx: Session, skus: Iterable[str]) -> dict[str, Product]:
    """Locks the products with these SKUs until the transaction ends, in the order of their ids, as all do that lock
    several."""
    wanted = select(Product).where(col(Product.sku).in_(list(skus))).order_by(col(Product.id))
    found = await tx.exec(wanted.with_for_update().execution_options(populate_existing=True))
    return {product.sku: product for product in found}


async def had_stock(tx: Session, product_id: UUID) -> bool:
    return await tx.get(Availability, product_id) is not None


async def live_prices(tx: Session, kind: type[Kind], ids: Collection[UUID], now: datetime) -> Sequence[Kind]:
    """The prices of these products that apply now or later, sorted by product, currency, tier and start."""
    live = select(kind).where(col(kind.product_id).in_(ids), kind.live(now))
    order = map(col, (kind.product_id, kind.currency, kind.min_quantity, kind.starts_at))
    return (await tx.exec(live.order_by(*order, col(kind.id)))).all()


async def public_prices_since(tx: Session, ids: Collection[UUID], begin: datetime) -> Sequence[ScheduledPrice]:
    """The scheduled prices of one piece that applied at `begin`, have done since, or will."""
    prices = select(ScheduledPrice).where(col(ScheduledPrice.product_id).in_(ids), ScheduledPrice.live(begin))
    return (await tx.exec(prices.where(ScheduledPrice.min_quantity == 1))).all()


async def base_prices_since(tx: Session, ids: Collection[UUID], begin: datetime) -> Sequence[BasePrice]:
    """The base price of each product at `begin`, and all later ones, in the sequence of their times."""
    earlier = aliased(BasePrice)
    first = select(func.max(earlier.effective_from)).where(
        earlier.product_id == BasePrice.product_id, col(earlier.effective_from) <= begin
    )
    known = func.coalesce(first.scalar_subquery(), begin)
    found = select(BasePrice).where(col(BasePrice.product_id).in_(ids), col(BasePrice.effective_from) >= known)
    return (await tx.exec(found.order_by(col(BasePrice.effective_from)))).all()
