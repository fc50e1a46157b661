"""Creates, changes and deletes families, and creates their products."""

from typing import Any
from uuid import UUID

from product_service.families import queries
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.families import (
    MAX_VARIANTS,
    Family,
    FamilyNotEmpty,
    Options,
    OptionsInUse,
    TooManyVariants,
)
from product_service.products.queries import PriceQuery, RenderedProduct
from product_service.text import slugify
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.concurrency import change as change_row
from service_kit.database import AnySession, Session, Transaction
from service_kit.problems import not_found


async def create(tx: Session, columns: dict[str, Any]) -> Family:
    """Raises: CategoryUnknown."""
    family = Family(slug="", **columns)
    await products.lock_category(tx, family.category_id)
    plain = slugify(family.name)
    is_free = plain and not await queries.slug_is_taken(tx, plain)
    family.slug = plain if is_free else slugify(family.name, after=family.id.hex[-12:])
    tx.add(family)
    await tx.flush()
    return family


async def change(tx: Session, family_id: UUID, expected: Expected, columns: dict[str, Any]) -> None:
    """The slug stays, so that links keep working. Raises: NotFound, PreconditionFailed, CategoryUnknown,
    OptionsInUse."""
    family = await queries.lock(tx, family_id) or not_found(Family, family_id)
    expected.check(family.version)
    await products.lock_category(tx, columns.get("category_id"))
    if change_row(family, columns):
        family.updated_at = utcnow()
    if "options" in columns:
        misfits = [each.id for each in await queries.variants(tx, family_id) if not family.fits(each.options)]
        if misfits:
            raise OptionsInUse(product_ids=[str(id) for id in misfits])


async def delete(tx: Session, family_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, FamilyNotEmpty."""
    family = await queries.lock(tx, family_id) or not_found(Family, family_id)
    expected.check(family.version)
    if variants := await queries.variants(tx, family_id):
        raise FamilyNotEmpty(products=len(variants))
    await tx.delete(family)


async def create_variants(
    tx: Transaction, family_id: UUID, sku: str, wanted: dict[str, list[str]], columns: dict[str, Any]
) -> tuple[list[UUID], int]:
    """Creates a product for each combination of these options that has none. `columns`: of all of them.

    Returns the ids of the new products, and how many combinations had one. Raises: NotFound, OptionUnknown,
    TooManyVariants, SkuTaken.
    """
    family = await product_queries.lock_family(tx, family_id) or not_found(Family, family_id)
    taken = await product_queries.options_of(tx, family_id)
    combinations = list(family.combinations(wanted, limit=MAX_VARIANTS))
    missing = [each for each in combinations if each not in taken]
    if len(taken) + len(missing) > MAX_VARIANTS:
        raise TooManyVariants(limit=MAX_VARIANTS, count=len(taken) + len(missing))
    created = []
    for options in missing:
        own = {
            "sku": _sku(family, sku, options),
            "name": ", ".join([family.name, *options.values()]),
            "options": options,
        }
        of_family = {"family_id": family.id, "category_id": family.category_id}
        created.append((await products.create(tx, {**columns, **of_family, **own})).id)
    return created, len(combinations) - len(missing)


async def shown(db: AnySession, family_id: UUID) -> RenderedProduct:
    """The family after a change, as staff see it."""
    found = await queries.show(db, family_id, PriceQuery(at=utcnow(), hidden_too=True))
    return found or not_found(Family, family_id)


def _sku(family: Family, prefix: str, options: Options) -> str:
    """A value without ASCII letters and digits is represented by its position among the values."""
    values = family.values
    parts = [slugify(value).upper() or str(values[name].index(value) + 1) for name, value in options.items()]
    return "-".join([prefix, *parts])[:64]
