"""Stores rows of products: each is validated and applied as the API does it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from product_service.categories.models import Category
from product_service.imports import queries
from product_service.imports.columns import ERROR_COLUMNS, column_of, place
from product_service.imports.models import Import, Mode
from product_service.imports.records import RowFailed
from product_service.imports.rows import Outcome, Row, row_failed
from product_service.products import queries as product_queries
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.prior_prices import PriorPriceRule
from product_service.products.schemas import ProductChange, ProductIn
from product_service.products.translations import Entity, Translation
from product_service.translations import queries as translation_queries
from product_service.translations.schemas import ProductTexts
from service_kit.database import Session
from service_kit.problems import Problem

SEPARATOR = ">"
"""Between the names of a category's path, as in: Home > Candles."""
_REMOVABLE = ("dimensions", "seo")
Texts = dict[str, dict[str, Any]]
"""The translated texts of a product by language."""


class CategoriesMissing(Exception):
    """These paths of categories have to be created before the batch."""

    def __init__(self, paths: Iterable[list[str]]) -> None:
        super().__init__()
        self.paths = list(paths)


class Known(NamedTuple):
    """What is stored already, of what a batch refers to."""

    products: dict[str, Product]
    categories: "Categories"
    families: dict[str, UUID]
    translations: dict[tuple[UUID, str], Translation]


class Categories:
    """Finds categories by slug, or by the names on their path."""

    def __init__(self, categories: Sequence[Category]) -> None:
        self._by_slug = {each.slug: each.id for each in categories}
        self._by_name = {(each.parent_id, each.name): each.id for each in categories}

    def find(self, text: str) -> UUID | None:
        if found := self._by_slug.get(text.strip()):
            return found
        above: UUID | None = None
        for name in path_of(text):
            if (above := self._by_name.get((above, name))) is None:
                return None
        return above


def path_of(text: str) -> list[str]:
    return [name.strip() for name in text.split(SEPARATOR)]


async def store(
    tx: Session, wanted: Import, rows: Sequence[Row], outcome: Outcome, *, may_create: bool, rule: PriorPriceRule
) -> None:
    """Stores the rows, whose SKUs differ from each other, and publishes what has changed.

    Raises: CategoriesMissing, if the import creates them and `may_create`.
    """
    await product_queries.share_tree(tx)
    known = await _known(tx, rows)
    if wanted.creates_categories and may_create and (missing := _missing(known, rows)):
        raise CategoriesMissing(missing)
    new: list[tuple[Row, dict[str, Any], Texts]] = []
    changed: list[Product] = []
    for row in rows:
        product = known.products.get(row.sku)
        try:
            _check_mode(wanted.mode, row, product)
            body, texts = _differences(row.values, product, known)
            if product is None:
                new.append((row, ProductIn.model_validate({"sku": row.sku, **body}).columns(), texts))
                continue
            columns = ProductChange.model_validate(body).columns()
            is_changed = bool(body) and await products.apply(tx, product, columns, rule)
        except RowFailed as error:
            outcome.fail(wanted, row.record, error)
            continue
        except (Problem, ValidationError) as error:
            outcome.fail(wanted, row.record, row_failed(error, column_of))
            continue
        if is_changed:
            changed.append(product)
        await _save(tx, product.id, texts)
        outcome.changed += is_changed or bool(texts)
        outcome.unchanged += not (is_changed or texts)
    if changed:
        await products.publish(tx, *changed)
    await _create(tx, wanted, new, outcome)


async def _known(tx: Session, rows: Sequence[Row]) -> Known:
    found = await product_queries.lock_by_sku(tx, [row.sku for row in rows])
    has_categories = any(row.values.get("category") for row in rows)
    slugs = {
        slug
        for row in rows
        if isinstance(slug := row.values.get("family"), str) and slug.isascii() and slug.isprintable()
    }
    has_translations = any(place(name).locale for row in rows for name in row.values)
    ids = [each.id for each in found.values()]
    return Known(
        found,
        Categories(await queries.categories(tx) if has_categories else []),
        await queries.families(tx, sorted(slugs)) if slugs else {},
        await queries.translations(tx, ids) if has_translations and ids else {},
    )


def _missing(known: Known, rows: Sequence[Row]) -> list[list[str]]:
    texts = {text for row in rows if isinstance(text := row.values.get("category"), str)}
    return [path_of(text) for text in sorted(texts) if known.categories.find(text) is None]


def _check_mode(mode: str, row: Row, product: Product | None) -> None:
    """Raises: RowFailed."""
    if product is not None and mode == Mode.CREATE:
        raise RowFailed("sku-taken", f"There is a product with the SKU {row.sku} already.", "sku")
    if product is None and mode == Mode.UPDATE:
        raise RowFailed("sku-unknown", f"There is no product with the SKU {row.sku[:64]}.", "sku")


def _differences(values: Mapping[str, Any], product: Product | None, known: Known) -> tuple[dict[str, Any], Texts]:
    """The fields of the API's body that the row changes, and the translations that it changes.

    Raises: RowFailed, ValidationError (of a translation, as RowFailed).
    """
    before = _body(product) if product else {}
    body: dict[str, Any] = {}
    members: dict[str, dict[str, Any]] = {}
    texts: dict[str, dict[str, Any]] = {}
    for column, value in values.items():
        if column == "sku" or column in ERROR_COLUMNS:
            continue
        field, member, locale = place(column)
        if locale:
            texts.setdefault(locale, {})[column.partition(":")[0]] = value
        elif member:
            members.setdefault(field, {})[member] = value
        else:
            body[field] = _resolved(column, value, known) if field.endswith("_id") else value
    body |= {field: _merged(field, before.get(field), given) for field, given in members.items()}
    changes = {field: value for field, value in body.items() if not _same(value, before.get(field))}
    return changes, _changed_texts(texts, product, known)


def _body(product: Product) -> dict[str, Any]:
    """The fields of the product in the API's body."""
    return {
        "name": product.name, "description": product.description, "category_id": product.category_id,
        "attributes": product.attributes, "family_id": product.family_id, "options": product.options,
        "brand": product.brand, "gtin": product.gtin, "dimensions": product.dimensions,
        "external_ids": product.external_ids, "metadata": product.meta, "seo": product.seo,
        "price": {"amount": product.price_amount, "currency": product.price_currency},
        "tax_class": product.tax_class, "weight_g": product.weight_g, "status": product.status,
    }  # fmt: skip


def _same(value: Any, before: Any) -> bool:
    """An empty cell stands for null and for an empty text."""
    return value == before or (value is None and before == "")


def _merged(field: str, before: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any] | None:
    found = dict(before or {})
    for name, value in given.items():
        if value is not None:
            found[name] = value
        elif found.get(name) not in (None, ""):
            del found[name]
    if field in _REMOVABLE and found != before and all(value is None for value in found.values()):
        return None
    return found


def _resolved(column: str, value: Any, known: Known) -> UUID | None:
    """The id of a category or family. Raises: RowFailed."""
    if value is None:
        return None
    found = None
    if isinstance(value, str):
        found = known.categories.find(value) if column == "category" else known.families.get(value)
    if found is None:
        what = "a slug, or names with > between them" if column == "category" else "a slug"
        raise RowFailed(f"{column}-unknown", f"There is no {column} {str(value)[:200]} ({what}).", column)
    return found


def _changed_texts(given: Mapping[str, Mapping[str, Any]], product: Product | None, known: Known) -> Texts:
    """Raises: RowFailed."""
    changed: Texts = {}
    for locale, texts in given.items():
        stored = known.translations.get((product.id, locale)) if product else None
        before = dict(stored.fields) if stored else {}
        seo = {name.removeprefix("seo_"): value for name, value in texts.items() if name.startswith("seo_")}
        plain = {name: value for name, value in texts.items() if not name.startswith("seo_")}
        after = _merged("", before, plain) or {}
        if seo:
            after["seo"] = _merged("seo", before.get("seo"), seo) or None
        try:
            fields = ProductTexts.model_validate(after).model_dump(exclude_none=True)
        except ValidationError as error:
            raise row_failed(error, partial(column_of, locale=locale)) from error
        if fields != ProductTexts.model_validate(before).model_dump(exclude_none=True):
            changed[locale] = fields
    return changed


async def _save(tx: Session, product_id: UUID, texts: Texts) -> None:
    for locale, fields in texts.items():
        if fields:
            await translation_queries.save(tx, Entity.PRODUCT, product_id, locale, fields)
        elif stored := await translation_queries.find(tx, Entity.PRODUCT, product_id, locale):
            await tx.delete(stored)


async def _create(
    tx: Session, wanted: Import, new: Sequence[tuple[Row, dict[str, Any], Texts]], outcome: Outcome
) -> None:
    made = await products.create_all(tx, [columns for _, columns, _ in new]) if new else []
    for product, (row, _, texts) in zip(made, new, strict=True):
        if isinstance(product, Problem):
            outcome.fail(wanted, row.record, row_failed(product, column_of))
            continue
        await _save(tx, product.id, texts)
        outcome.created += 1
