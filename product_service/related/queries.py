"""Every statement about related products."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import delete

from product_service.products.queries import BODY_JSON, JOINS, PriceQuery
from product_service.related.models import ProductLink
from service_kit.database import AnySession, Session, Statement, Transaction

MOST = 10
"""How many products are shown as bought together with one."""
SHOW = Statement(f"""
SELECT json_build_object(
    'links', (
        SELECT coalesce(json_agg(json_build_object('kind', l.kind, 'product', {BODY_JSON}) ORDER BY l.position), '[]')
        FROM product_links l JOIN products p ON p.id = l.other_id AND p.status = 'active' {JOINS}
        WHERE l.product_id = shown.id),
    'bought_together', (
        SELECT coalesce(json_agg({BODY_JSON} ORDER BY t.score DESC, p.id), '[]')
        FROM bought_together t JOIN products p ON p.id = t.other_id AND p.status = 'active' {JOINS}
        WHERE t.product_id = shown.id)
)::text
FROM products AS shown WHERE shown.id = :id AND shown.status = 'active'
""")
UNKNOWN = Statement("""
SELECT id FROM unnest(:ids::uuid[]) AS id WHERE NOT EXISTS (SELECT FROM products WHERE products.id = id.id)
""")
BEGIN = Statement("""
INSERT INTO bought_together_runs (after_id, began_at) VALUES ('00000000-0000-0000-0000-000000000000', now())
ON CONFLICT (id) DO UPDATE SET after_id = excluded.after_id, began_at = now()
WHERE bought_together_runs.after_id IS NULL AND bought_together_runs.began_at < now() - :every::interval
""")
LOCK = Statement("SELECT after_id FROM bought_together_runs WHERE after_id IS NOT NULL FOR UPDATE SKIP LOCKED")
NEXT = Statement("SELECT id FROM products WHERE id > :after_id ORDER BY id LIMIT :limit")
DELETE = Statement("DELETE FROM bought_together WHERE product_id = ANY(:ids::uuid[])")
# An order that is `half_life` old counts half. An order of many products says little about any two of them, and would
# make as many pairs as the square of their number. One order alone may be chance.
COUNT = Statement(f"""
INSERT INTO bought_together (product_id, other_id, score)
SELECT product_id, other_id, score FROM (
    SELECT pair.*, row_number() OVER (PARTITION BY product_id ORDER BY score DESC, other_id) AS place FROM (
        SELECT mine.product_id, other.product_id AS other_id,
               sum(power(0.5, extract(epoch FROM now() - mine.ordered_at) / extract(epoch FROM :half_life::interval)))
                   AS score
        FROM purchases mine
        JOIN purchases other ON other.order_id = mine.order_id AND other.product_id <> mine.product_id
        JOIN products p ON p.id = mine.product_id
        JOIN products q ON q.id = other.product_id AND q.family_id IS DISTINCT FROM coalesce(p.family_id, p.id)
        WHERE mine.product_id = ANY(:ids::uuid[]) AND mine.ordered_at > now() - :oldest::interval
          AND (SELECT count(*) FROM purchases each WHERE each.order_id = mine.order_id) <= :most_products
        GROUP BY mine.product_id, other.product_id HAVING count(*) >= :least_orders
    ) AS pair
) AS ranked WHERE place <= {MOST}
""")
SAVE = Statement("UPDATE bought_together_runs SET after_id = :after_id::uuid")


async def show(db: AnySession, product_id: UUID, query: PriceQuery) -> str | None:
    """The response body; None if the product is not on sale."""
    found: str | None = await SHOW.fetchval(db, id=product_id, query=query)
    return found


async def unknown(tx: Session, product_ids: Sequence[UUID]) -> list[UUID]:
    return [row[0] for row in await UNKNOWN.fetch(tx, ids=product_ids)]


async def replace_links(tx: Session, product_id: UUID, links: Sequence[ProductLink]) -> None:
    await tx.exec(delete(ProductLink).where(ProductLink.product_id == product_id))  # type: ignore[arg-type]
    tx.add_all(links)


async def begin_round(tx: Transaction, every: timedelta) -> None:
    """Begins a round over all products, if the one before is done and began that long ago."""
    await BEGIN.execute(tx, every=every)


async def lock_round(tx: Transaction) -> UUID | None:
    """The last product that was counted in the present round; None: it is done, or another process counts."""
    found: UUID | None = await LOCK.fetchval(tx)
    return found


async def next_products(tx: Transaction, after_id: UUID, limit: int) -> list[UUID]:
    return [row[0] for row in await NEXT.fetch(tx, after_id=after_id, limit=limit)]


async def count(tx: Transaction, ids: Sequence[UUID], **limits: Any) -> None:
    """Counts again what is bought together with these products."""
    await DELETE.execute(tx, ids=ids)
    await COUNT.execute(tx, ids=ids, **limits)


async def save_round(tx: Transaction, after_id: UUID | None) -> None:
    await SAVE.execute(tx, after_id=after_id)
