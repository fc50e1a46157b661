"""Every statement about families; `products.queries` locks one for its products."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from product_service.products.families import Family
from product_service.products.models import Product
from product_service.products.queries import BODY_JSON, JOINS, TAG, TIME, PriceQuery, RenderedProduct
from service_kit.database import AnySession, Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching

# `schemas.FamilyPage`. Only staff see a family without products on sale.
_SHOW = f"""
SELECT json_build_object(
    'id', f.id, 'name', coalesce(ft.fields ->> 'name', f.name), 'slug', f.slug,
    'description', coalesce(ft.fields ->> 'description', f.description), 'category_id', f.category_id,
    'options', f.options, 'images', f.images, 'labels', coalesce(ft.fields -> 'labels', '{{}}'), 'version', f.version,
    'price_from', CASE WHEN variants.currencies = 1
                       THEN json_build_object('amount', variants.cheapest, 'currency', variants.currency) END,
    'variants', variants.bodies,
    'created_at', to_char(f.created_at AT TIME ZONE 'UTC', {TIME}),
    'updated_at', to_char(f.updated_at AT TIME ZONE 'UTC', {TIME})
)::text AS body, concat_ws('.', f.version, variants.tag, ft.locale, ft.version) AS tag, ft.locale AS language
FROM families f
LEFT JOIN translations ft ON ft.entity = 'family' AND ft.entity_id = f.id AND ft.locale = :query.locale::text
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg({BODY_JSON} ORDER BY p.id), '[]') AS bodies, count(*) AS number,
           md5(string_agg({TAG}, ' ' ORDER BY p.id)) AS tag,
           min(unit.amount) FILTER (WHERE p.status = 'active') AS cheapest,
           min(unit.currency) FILTER (WHERE p.status = 'active') AS currency,
           count(DISTINCT unit.currency) FILTER (WHERE p.status = 'active') AS currencies
    FROM products p {JOINS}
    WHERE p.family_id = f.id AND (p.status = 'active' OR :query.hidden_too::boolean)
) AS variants
WHERE (variants.number > 0 OR :query.hidden_too::boolean)
"""
SHOW_BY_ID = Statement(f"{_SHOW} AND f.id = :id")
SHOW_BY_SLUG = Statement(f"{_SHOW} AND f.slug = :slug")


async def show(db: AnySession, family_id: UUID, query: PriceQuery) -> RenderedProduct | None:
    row = await SHOW_BY_ID.fetchrow(db, query=query, id=family_id)
    return RenderedProduct(*row) if row else None


async def show_by_slug(db: AnySession, slug: str, query: PriceQuery) -> RenderedProduct | None:
    row = await SHOW_BY_SLUG.fetchrow(db, query=query, slug=slug)
    return RenderedProduct(*row) if row else None


async def lock(tx: Session, family_id: UUID) -> Family | None:
    return await tx.get(Family, family_id, with_for_update={"key_share": True}, populate_existing=True)


async def variants(tx: Session, family_id: UUID) -> Sequence[Product]:
    """All its products, of which there are few, without locks."""
    return (await tx.exec(matching(Product, family_id=family_id).order_by(col(Product.id)))).all()


async def slug_is_taken(tx: Session, slug: str) -> bool:
    return (await tx.exec(select(Family.id).where(Family.slug == slug))).first() is not None


async def page(tx: Session, position: Position, *, category_id: UUID | None) -> Slice[Family]:
    return await keyset(tx, matching(Family, category_id=category_id), position, Family.id)
