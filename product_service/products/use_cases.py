"""Creates, changes, deletes and publishes products."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from contracts.events import products as events
from product_service.products import queries
from product_service.products.families import MAX_VARIANTS, FamilyUnknown, OptionUnknown, TooManyVariants, VariantExists
from product_service.products.models import CategoryUnknown, GtinTaken, Product, SkuTaken
from product_service.products.prices import ScheduledPrice
from product_service.products.queries import PriceQuery, RenderedProduct
from product_service.text import slugify
from service_kit.clock import utcnow
from service_kit.concurrency import Expected, flush
from service_kit.database import Session, Transaction
from service_kit.messaging import outbox
from service_kit.problems import Problem, not_found

SHOWN = {"version", "sku", "name", "slug", "status", "category_id", "family_id", "tax_class", "weight_g"}
"""The columns that are published under their own names."""


async def create(tx: Transaction | Session, columns: dict[str, Any]) -> Product:
    """Raises: SkuTaken, GtinTaken, CategoryUnknown, and what `_check_family` raises."""
    product = Product(slug="", **columns)
    await queries.share_tree(tx)
    await lock_category(tx, product.category_id)
    await _check_family(tx, product)
    for slug in _slugs(product):
        product.slug = slug
        if await queries.insert_if_free(tx, product):
            await outbox.add(tx, _snapshot(product, (), await queries.category_path(tx, product.category_id)))
            return product
        if owner := await queries.id_of_sku(tx, product.sku):
            break
        await _check_unique(tx, product)
    raise SkuTaken(sku=product.sku, product_id=str(owner))


async def create_all(tx: Session, rows: Sequence[dict[str, Any]]) -> list[Product | Problem]:
    """Creates many products as `create` does: all by one statement, except variants and those that it can't insert.
    Returns the product, or the problem with it, for each row."""
    await queries.share_tree(tx)
    products = [Product(slug="", **columns) for columns in rows]
    for product in products:
        product.slug = next(_slugs(product))
    inserted = await queries.insert_free(tx, [each for each in products if not (each.family_id or each.options)])
    await _add_snapshots(tx, [each for each in products if each.id in inserted], {})
    made: list[Product | Problem] = []
    for product, columns in zip(products, rows, strict=True):
        try:
            made.append(product if product.id in inserted else await create(tx, columns))
        except Problem as problem:
            made.append(problem)
    return made


async def change(tx: Session, product_id: UUID, expected: Expected, columns: dict[str, Any]) -> None:
    """Changes a product. Its slug stays, so that links keep working.

    Raises: NotFound, PreconditionFailed, CategoryUnknown, GtinTaken, NotADraftAgain, and what `_check_family` raises.
    """
    product = await lock(tx, product_id, expected)
    if await apply(tx, product, columns):
        await flush(tx, GtinTaken(gtin=product.gtin, product_id=None))
        await publish(tx, product)


async def apply(tx: Session, product: Product, columns: dict[str, Any]) -> bool:
    """Changes a locked product, which the caller then publishes. Returns whether anything differs. Raises what `change`
    raises."""
    await lock_category(tx, columns.get("category_id"))
    after = Product(**{**product.model_dump(), **columns})
    if (after.family_id, after.options) != (product.family_id, product.options):
        await _check_family(tx, after)
    if any(getattr(after, name) != getattr(product, name) for name in ("family_id", "options", "gtin")):
        await _check_unique(tx, after)
    return product.change(columns)


async def delete(tx: Session, product_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, ProductHasHistory."""
    product = await lock(tx, product_id, expected)
    product.check_deletable(had_stock=await queries.had_stock(tx, product_id))
    await tx.delete(product)
    await outbox.add(tx, events.ProductDeleted(product_id=product_id, version=product.version + 1))


async def shown(tx: Transaction | Session, product_id: UUID) -> RenderedProduct:
    """The product after a change, as staff see it."""
    query = PriceQuery(at=utcnow(), hidden_too=True)
    return await queries.show(tx, product_id, query) or not_found(Product, product_id)


async def lock(tx: Session, product_id: UUID, expected: Expected) -> Product:
    """Raises: NotFound, PreconditionFailed."""
    await queries.share_tree(tx)
    product = await queries.lock(tx, product_id) or not_found(Product, product_id)
    expected.check(product.version)
    return product


async def publish(tx: Session, *products: Product) -> None:
    """Publishes a new version of each product, with every price that applies now or later, and the path of its
    category. Their rows must be locked, and the tree of categories shared."""
    now = utcnow()
    for product in products:
        product.version += 1
        product.updated_at = now
    await tx.flush()
    await _add_snapshots(tx, products, await queries.scheduled_prices_of(tx, [each.id for each in products], now))


async def publish_again(tx: Session, limit: int) -> bool:
    """Publishes the next products of a republication that was requested, `limit` at most. Returns whether there may be
    more."""
    await queries.share_tree(tx)
    request = await queries.next_republication(tx)
    if request is None:
        return False
    products = await queries.lock_next(tx, request, limit)
    await publish(tx, *products)
    if len(products) < limit:
        await tx.delete(request)
    else:
        request.after_id = products[-1].id
    return True


async def _add_snapshots(
    tx: Session, products: Sequence[Product], prices: Mapping[UUID, Sequence[ScheduledPrice]]
) -> None:
    paths = await queries.category_paths(tx, {each.category_id for each in products})
    await outbox.add(tx, *(_snapshot(each, prices.get(each.id, ()), paths[each.category_id]) for each in products))


def _snapshot(
    product: Product, scheduled: Sequence[ScheduledPrice], category_path: Sequence[UUID]
) -> events.ProductChanged:
    base = events.ScheduledPrice(
        amount=product.price_amount, currency=product.price_currency, starts_at=product.created_at
    )
    others = [events.ScheduledPrice.model_validate(price, from_attributes=True) for price in scheduled]
    shown = product.model_dump(include=SHOWN)
    return events.ProductChanged(product_id=product.id, prices=[base, *others], category_path=category_path, **shown)


async def _check_family(tx: Transaction | Session, product: Product) -> None:
    """Raises: FamilyUnknown, OptionUnknown, TooManyVariants."""
    if product.family_id is None:
        if product.options:
            raise OptionUnknown(known={})
        return
    family = await queries.lock_family(tx, product.family_id)
    if family is None:
        raise FamilyUnknown(family_id=str(product.family_id))
    family.check(product.options)
    if await queries.count_other_variants(tx, product) >= MAX_VARIANTS:
        raise TooManyVariants(limit=MAX_VARIANTS, count=MAX_VARIANTS + 1)


async def _check_unique(tx: Transaction | Session, product: Product) -> None:
    """Raises: VariantExists, GtinTaken."""
    if product.family_id and (owner := await queries.id_of_variant(tx, product)):
        raise VariantExists(product_id=str(owner))
    if product.gtin and (owner := await queries.id_of_gtin(tx, product)):
        raise GtinTaken(gtin=product.gtin, product_id=str(owner))


async def lock_category(tx: Transaction | Session, category_id: UUID | None) -> None:
    if category_id and not await queries.lock_category(tx, category_id):
        raise CategoryUnknown(category_id=str(category_id))


def _slugs(product: Product) -> Iterator[str]:
    """Slugs to try: the name alone, with the SKU after it, and with the end of the product's id after it."""
    if plain := slugify(product.name):
        yield plain
    yield slugify(product.name, after=product.sku)
    yield slugify(product.name, after=product.id.hex[-12:])
