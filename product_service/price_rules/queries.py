"""Every statement about price rules; `products.queries` has the queue of products whose price may have to change."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlmodel import col, select

from product_service.price_rules.models import PriceRule, ProductDemand
from product_service.price_rules.rules import Priced
from product_service.products.models import Product
from product_service.products.queries import QUEUE
from service_kit.database import Session, Statement, Transaction, insert
from service_kit.database.keyset import Position, Slice, keyset, matching

# One process at a time sets prices by rules. The number is arbitrary.
CLAIM = Statement("SELECT pg_try_advisory_xact_lock(0x70727275)")
DUE = Statement("SELECT product_id FROM price_rule_queue WHERE due_at <= :now ORDER BY due_at LIMIT :limit")
# Rows are locked in the order of their products, as all others lock them.
TAKE = Statement("""
DELETE FROM price_rule_queue q USING (
    SELECT product_id FROM price_rule_queue WHERE product_id = ANY (:ids::uuid[]) ORDER BY product_id FOR UPDATE
) AS taken WHERE q.product_id = taken.product_id
""")
_SOONER = "ON CONFLICT (product_id) DO UPDATE SET due_at = least(price_rule_queue.due_at, excluded.due_at)"
_QUEUED = f"""
{QUEUE} SELECT product_id, :now::timestamptz FROM ({{products}}) AS due (product_id) ORDER BY product_id {_SOONER}
"""
QUEUE_SCOPE = Statement(
    _QUEUED.format(
        products="""
        SELECT id FROM products WHERE status = 'active' AND (
            :everything::boolean OR id = ANY (:product_ids::uuid[]) OR family_id = ANY (:family_ids::uuid[])
            OR category_id IN (
                WITH RECURSIVE below AS (
                    SELECT id FROM unnest(:category_ids::uuid[]) AS id
                    UNION SELECT c.id FROM categories c JOIN below ON c.parent_id = below.id
                ) SELECT id FROM below))
        """,
    )
)
QUEUE_PRICED_BY = Statement(
    _QUEUED.format(
        products="""
        SELECT DISTINCT product_id FROM prices WHERE rule_id = :rule_id AND (ends_at IS NULL OR ends_at > :now)
        """,
    )
)
QUEUE_AGAIN = Statement(f"""
{QUEUE} SELECT product_id, due_at FROM unnest(:ids::uuid[], :times::timestamptz[]) AS due (product_id, due_at)
ORDER BY product_id {_SOONER}
""")
HAS_RULES = Statement("SELECT EXISTS (SELECT FROM price_rules)")
LAST_CHANGES = Statement("""
SELECT product_id, max(greatest(starts_at, ends_at)) FROM prices
WHERE product_id = ANY (:ids::uuid[]) AND rule_id IS NOT NULL GROUP BY product_id
""")
STOCK = Statement("SELECT product_id, available FROM availability WHERE product_id = ANY (:ids::uuid[])")
DEMAND = Statement("""
SELECT product_id, day, pieces FROM product_demand WHERE product_id = ANY (:ids::uuid[]) AND day > :after
""")
PATHS = Statement("""
WITH RECURSIVE above AS (
    SELECT id AS category_id, id, parent_id FROM categories WHERE id = ANY (:ids::uuid[])
    UNION ALL SELECT above.category_id, c.id, c.parent_id FROM categories c JOIN above ON c.id = above.parent_id
) SELECT category_id, array_agg(id) FROM above GROUP BY category_id
""")
ADD_DEMAND = Statement(f"""
{insert("demand", ProductDemand)}
ON CONFLICT (product_id, day) DO UPDATE SET pieces = product_demand.pieces + excluded.pieces
""")
PRUNE_DEMAND = Statement("DELETE FROM product_demand WHERE day < :before")

MAX_DEMAND_DAYS = 90


async def find(tx: Session, rule_id: UUID) -> PriceRule | None:
    return await tx.get(PriceRule, rule_id)


async def lock(tx: Session, rule_id: UUID) -> PriceRule | None:
    return await tx.get(PriceRule, rule_id, with_for_update=True, populate_existing=True)


async def page(tx: Session, position: Position) -> Slice[PriceRule]:
    return await keyset(tx, matching(PriceRule), position, PriceRule.id)


async def rules(tx: Session) -> Sequence[PriceRule]:
    return (await tx.exec(select(PriceRule).order_by(col(PriceRule.id)))).all()


async def lock_rules(tx: Session) -> Sequence[PriceRule]:
    found = select(PriceRule).order_by(col(PriceRule.id)).with_for_update()
    return (await tx.exec(found.execution_options(populate_existing=True))).all()


async def products_after(tx: Session, after: UUID | None, limit: int) -> Sequence[Product]:
    found = select(Product).order_by(col(Product.id)).limit(limit)
    return (await tx.exec(found if after is None else found.where(col(Product.id) > after))).all()


async def queue_scope(tx: Session, rule: PriceRule, now: datetime) -> None:
    """Lets the job evaluate all products of the rule's scope."""
    ids = {name: rule.scope.get(name, []) for name in ("product_ids", "family_ids", "category_ids")}
    await QUEUE_SCOPE.execute(tx, everything=not any(ids.values()), now=now, **ids)


async def priced(tx: Session, products: Collection[Product], today: date) -> Mapping[UUID, Priced]:
    """The products as rules see them."""
    ids = [product.id for product in products]
    stock: dict[UUID, int] = {row[0]: row[1] for row in await STOCK.fetch(tx, ids=ids)}
    demand: dict[UUID, dict[date, int]] = {id: {} for id in ids}
    for id, day, pieces in await DEMAND.fetch(tx, ids=ids, after=today - timedelta(days=MAX_DEMAND_DAYS)):
        demand[id][day] = pieces
    categories = list({product.category_id for product in products if product.category_id})
    paths = {id: frozenset(path) for id, path in await PATHS.fetch(tx, ids=categories)}
    return {
        product.id: Priced(
            product.id,
            product.status,
            product.price_amount,
            product.price_currency,
            product.family_id,
            paths.get(product.category_id, frozenset()) if product.category_id else frozenset(),
            stock.get(product.id),
            demand[product.id],
        )
        for product in products
    }


async def queue_products(tx: Transaction, ids: Collection[UUID], now: datetime) -> bool:
    """Lets the job evaluate these products, if there are rules. Returns whether there are."""
    if not ids or not await HAS_RULES.fetchval(tx):
        return False
    await QUEUE_AGAIN.execute(tx, ids=list(ids), times=[now] * len(ids))
    return True
