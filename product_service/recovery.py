"""Recovers products from their snapshots, after the database was restored to an earlier moment.

Families, descriptions, attributes, images, and changes of categories are not in snapshots: what was changed of them
since is lost. A product that was created since comes back without them, and is named in the report. Prices that were
added or changed since have no prior price, so that no reduction is announced with a wrong one.
"""

from uuid import UUID

from contracts.events import products as events
from product_service.products import queries
from product_service.products.models import Product
from product_service.products.prices import GroupPrice, ScheduledPrice
from product_service.products.sort_key import sort_key
from product_service.settings import Settings
from service_kit.database import Statement, Transaction, insert
from service_kit.messaging import outbox
from service_kit.recovery import JUMP, Journal, Recovery, newest_snapshots

_UPDATE = Statement("""
UPDATE products SET sku = :event.sku, name = :event.name, slug = :event.slug, status = :event.status,
    category_id = (SELECT id FROM categories WHERE id = :event.category_id::uuid), sort_key = :sort_key,
    price_amount = :base.amount, price_currency = :base.currency::text,
    price_prior_amount = CASE WHEN (price_amount, price_currency) = (:base.amount, :base.currency::text)
                              THEN price_prior_amount END,
    tax_class = :event.tax_class, weight_g = :event.weight_g, version = :event.version, updated_at = now()
WHERE id = :event.product_id
""")
_FAMILY = Statement("SELECT family_id FROM products WHERE id = :id")
_HAS_CATEGORY = Statement("SELECT true FROM categories WHERE id = :id")
_DELETE = Statement("DELETE FROM products WHERE id = :id")
# A snapshot has every price that applies now or later. One that it has not was ended.
_END_PRICES = Statement("""
UPDATE prices SET ends_at = greatest(now(), starts_at)
WHERE product_id = :product_id AND (ends_at IS NULL OR ends_at > greatest(now(), starts_at))
  AND NOT EXISTS (
    SELECT FROM unnest(:kept[].currency::text[], :kept[].min_quantity::int[], :kept[].starts_at::timestamptz[])
        AS kept (currency, min_quantity, starts_at)
    WHERE (kept.currency, kept.min_quantity, kept.starts_at) = (prices.currency, prices.min_quantity, prices.starts_at))
""")
_END_GROUP_PRICES = Statement("""
UPDATE group_prices AS known SET ends_at = greatest(now(), starts_at)
WHERE product_id = :product_id AND (ends_at IS NULL OR ends_at > greatest(now(), starts_at))
  AND NOT EXISTS (
    SELECT FROM unnest(:kept[].customer_group::uuid[], :kept[].currency::text[], :kept[].min_quantity::int[],
                       :kept[].starts_at::timestamptz[]) AS kept (customer_group, currency, min_quantity, starts_at)
    WHERE (kept.customer_group, kept.currency, kept.min_quantity, kept.starts_at)
        = (known.customer_group, known.currency, known.min_quantity, known.starts_at))
""")
_ADD_PRICES = Statement(f"{insert('prices', ScheduledPrice)} ON CONFLICT DO NOTHING")
_ADD_GROUP_PRICES = Statement(f"{insert('prices', GroupPrice)} ON CONFLICT DO NOTHING")


async def recover(tx: Transaction, journal: Journal, _: Settings) -> None:
    for event in newest_snapshots(journal):
        if isinstance(event, events.ProductDeleted):
            await _DELETE.execute(tx, id=event.product_id)
            journal.note("products deleted again", event.product_id)
        elif isinstance(event, events.ProductChanged):
            path = await queries.category_path(tx, event.category_id)
            again = event.model_copy(update={"version": event.version + JUMP, "category_path": path})
            await _store(tx, journal, again)
            family_id = await _FAMILY.fetchval(tx, id=event.product_id)
            await outbox.add(tx, again.model_copy(update={"family_id": family_id}))


async def _store(tx: Transaction, journal: Journal, event: events.ProductChanged) -> None:
    base, *scheduled = event.prices
    changed = await _UPDATE.execute(tx, event=event, base=base, sort_key=sort_key(event.name))
    journal.found["products recovered"] += 1
    if not changed:
        await queries.INSERT.execute(tx, new=[await _new(tx, event)])
        journal.note("products without description and attributes: enter them again", event.sku)
    prices = [ScheduledPrice(product_id=event.product_id, **price.model_dump()) for price in scheduled]
    await _END_PRICES.execute(tx, product_id=event.product_id, kept=prices)
    await _ADD_PRICES.execute(tx, prices=prices)
    of_groups = [GroupPrice(product_id=event.product_id, **price.model_dump()) for price in event.group_prices]
    await _END_GROUP_PRICES.execute(tx, product_id=event.product_id, kept=of_groups)
    await _ADD_GROUP_PRICES.execute(tx, prices=of_groups)


async def _new(tx: Transaction, event: events.ProductChanged) -> Product:
    base = event.prices[0]
    category: UUID | None = event.category_id
    if category is not None and not await _HAS_CATEGORY.fetchval(tx, id=category):
        category = None
    return Product(
        id=event.product_id,
        sku=event.sku,
        slug=event.slug,
        name=event.name,
        sort_key=sort_key(event.name),
        category_id=category,
        attributes={},
        price_amount=base.amount,
        price_currency=base.currency,
        tax_class=event.tax_class,
        weight_g=event.weight_g,
        status=event.status,
        version=event.version,
        created_at=base.starts_at,
    )


RECOVERY = Recovery(recover)
