"""Creates, changes, deletes and publishes products."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from contracts.events import products as events
from product_service.products import queries
from product_service.products.families import MAX_VARIANTS, FamilyUnknown, OptionUnknown, TooManyVariants, VariantExists
from product_service.products.models import CategoryUnknown, GtinTaken, Product, SkuTaken, Status
from product_service.products.prices import BasePrice, GroupPrice, ScheduledPrice
from product_service.products.prior_prices import PriorPriceRule, PublicPrices, set_prior_prices
from product_service.products.queries import PriceQuery, RenderedProduct
from product_service.text import slugify
from service_kit.clock import utcnow
from service_kit.concurrency import Expected, flush
from service_kit.database import Session, Transaction
from service_kit.messaging import outbox
from service_kit.problems import Problem, not_found

OfProduct = TypeVar("OfProduct", ScheduledPrice, GroupPrice, BasePrice)
SHOWN = {"version", "sku", "name", "slug", "status", "category_id", "family_id", "tax_class", "weight_g"}
"""The columns that are published under their own names."""


async def create(tx: Transaction | Session, columns: dict[str, Any]) -> Product:
    """Raises: SkuTaken, GtinTaken, CategoryUnknown, and what `_check_family` raises."""
    product = _new(columns)
    await queries.share_tree(tx)
    await lock_category(tx, product.category_id)
    await _check_family(tx, product)
    for slug in _slugs(product):
        product.slug = slug
        if await queries.insert_if_free(tx, product):
            await outbox.add(tx, _snapshot(product, (), (), await queries.category_path(tx, product.category_id)))
            await queries.QUEUE_CHANGED.execute(tx, ids=[product.id], now=product.created_at)
            return product
        if owner := await queries.id_of_sku(tx, product.sku):
            break
        await _check_unique(tx, product)
    raise SkuTaken(sku=product.sku, product_id=str(owner))


async def create_all(tx: Session, rows: Sequence[dict[str, Any]]) -> list[Product | Problem]:
    """Creates many products as `create` does: all by one statement, except variants and those that it can't insert.
    Returns the product, or the problem with it, for each row."""
    await queries.share_tree(tx)
    products = [_new(columns) for columns in rows]
    for product in products:
        product.slug = next(_slugs(product))
    inserted = await queries.insert_free(tx, [each for each in products if not (each.family_id or each.options)])
    await _add_snapshots(tx, [each for each in products if each.id in inserted], {}, {})
    await queries.QUEUE_CHANGED.execute(tx, ids=sorted(inserted), now=utcnow())
    made: list[Product | Problem] = []
    for product, columns in zip(products, rows, strict=True):
        try:
            made.append(product if product.id in inserted else await create(tx, columns))
        except Problem as problem:
            made.append(problem)
    return made


async def change(
    tx: Session, product_id: UUID, expected: Expected, columns: dict[str, Any], rule: PriorPriceRule
) -> None:
    """Changes a product. Its slug stays, so that links keep working.

    Raises: NotFound, PreconditionFailed, CategoryUnknown, GtinTaken, NotADraftAgain, and what `_check_family` raises.
    """
    product = await lock(tx, product_id, expected)
    if await apply(tx, product, columns, rule):
        await flush(tx, GtinTaken(gtin=product.gtin, product_id=None))
        await publish(tx, product)


async def apply(tx: Session, product: Product, columns: dict[str, Any], rule: PriorPriceRule) -> bool:
    """Changes a locked product, which the caller then publishes. Returns whether anything differs. Raises what `change`
    raises."""
    await lock_category(tx, columns.get("category_id"))
    after = Product(**{**product.model_dump(), **columns})
    if (after.family_id, after.options) != (product.family_id, product.options):
        await _check_family(tx, after)
    if any(getattr(after, name) != getattr(product, name) for name in ("family_id", "options", "gtin")):
        await _check_unique(tx, after)
    was_on_sale, base = product.on_sale_since, (product.price_amount, product.price_currency)
    if (after.price_amount, after.price_currency) != base:
        columns = {**columns, "price_prior_amount": await _prior_of_base_price(tx, after, was_on_sale, rule)}
    if not product.change(columns):
        return False
    if (product.price_amount, product.price_currency) != base or product.on_sale_since != was_on_sale:
        await flush(tx, GtinTaken(gtin=product.gtin, product_id=None))
        await set_prior(tx, [product], rule, utcnow())
    return True


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


async def set_prior(tx: Session, products: Sequence[Product], rule: PriorPriceRule, now: datetime) -> None:
    """Computes the prior prices of scheduled prices again. To be called after each change of the products' prices;
    their rows must be locked. Prices that started before `now` keep theirs."""
    ids, begin = [product.id for product in products], rule.begin(now)
    scheduled = by_product(await queries.public_prices_since(tx, ids, begin))
    base = by_product(await queries.base_prices_since(tx, ids, begin))
    for product in products:
        set_prior_prices(base[product.id], scheduled[product.id], product.on_sale_since, now, rule)


def by_product(prices: Iterable[OfProduct]) -> Mapping[UUID, list[OfProduct]]:
    """The rows of each product, in their order; an empty list for other products."""
    found: dict[UUID, list[OfProduct]] = defaultdict(list)
    for price in prices:
        found[price.product_id].append(price)
    return found


async def _prior_of_base_price(
    tx: Session, after: Product, on_sale_since: datetime | None, rule: PriorPriceRule
) -> int | None:
    """Of the base price of `after`, which is about to be stored."""
    now = utcnow()
    begin = rule.begin(now)
    scheduled = await queries.public_prices_since(tx, [after.id], begin)
    base = await queries.base_prices_since(tx, [after.id], begin)
    known = PublicPrices.of(base, scheduled, after.price_currency, on_sale_since)
    return known.prior(after.price_amount, now, rule)


async def publish(tx: Session, *products: Product, queue: bool = True) -> None:
    """Publishes a new version of each product, with every price that applies now or later, and the path of its
    category. Their rows must be locked, and the tree of categories shared. `queue`: evaluate price rules for them."""
    now = utcnow()
    for product in products:
        product.version += 1
        product.updated_at = now
    await tx.flush()
    ids = [product.id for product in products]
    scheduled = by_product(await queries.live_prices(tx, ScheduledPrice, ids, now))
    await _add_snapshots(tx, products, scheduled, by_product(await queries.live_prices(tx, GroupPrice, ids, now)))
    if queue:
        await queries.QUEUE_CHANGED.execute(tx, ids=ids, now=now)


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
    tx: Session,
    products: Sequence[Product],
    scheduled: Mapping[UUID, Sequence[ScheduledPrice]],
    of_groups: Mapping[UUID, Sequence[GroupPrice]],
) -> None:
    """The prices by product; a product that is absent has none."""
    paths = await queries.category_paths(tx, {each.category_id for each in products})
    snapshots = (
        _snapshot(each, scheduled.get(each.id, ()), of_groups.get(each.id, ()), paths[each.category_id])
        for each in products
    )
    await outbox.add(tx, *snapshots)


def _new(columns: dict[str, Any]) -> Product:
    product = Product(slug="", **columns)
    if product.status != Status.DRAFT:
        product.activated_at = product.created_at
    return product


def _snapshot(
    product: Product,
    scheduled: Sequence[ScheduledPrice],
    of_groups: Sequence[GroupPrice],
    category_path: Sequence[UUID],
) -> events.ProductChanged:
    base = events.ScheduledPrice(
        amount=product.price_amount, currency=product.price_currency, starts_at=product.created_at
    )
    others = [events.ScheduledPrice.model_validate(price, from_attributes=True) for price in scheduled]
    return events.ProductChanged(
        product_id=product.id,
        prices=[base, *others],
        group_prices=[events.GroupPrice.model_validate(price, from_attributes=True) for price in of_groups],
        category_path=category_path,
        **product.model_dump(include=SHOWN),
    )


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
