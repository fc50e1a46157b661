"""Products, prices and failed rows as files that can be imported, read and sent in small parts."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from product_service.categories.models import Category
from product_service.imports import queries
from product_service.imports.columns import ERROR_COLUMNS, MAPS, PRICE_COLUMNS, PRODUCT_COLUMNS, TRANSLATED
from product_service.imports.models import Format, Import, ImportFailure
from product_service.imports.records import RowFailed, cell, cells
from product_service.products.families import Family
from product_service.products.models import Product
from product_service.products.prices import ScheduledPrice
from product_service.products.translations import Translation
from service_kit.clock import utcnow
from service_kit.csv_lines import csv_lines
from service_kit.database import Database, Session, Statement
from service_kit.problems import Problem

PAGE = 500
MAX_COLUMNS = 1000
_FIELDS = {"attribute": "attributes", "option": "options", "external_id": "external_ids", "metadata": "meta"}
_NAMES = Statement("""
SELECT 'attribute:' || jsonb_object_keys(attributes) FROM products
UNION SELECT 'option:' || jsonb_object_keys(options) FROM products
UNION SELECT 'external_id:' || jsonb_object_keys(external_ids) FROM products
UNION SELECT 'metadata:' || jsonb_object_keys(meta) FROM products
ORDER BY 1 LIMIT :limit
""")


class TooManyColumns(Problem, status=409, type="too-many-columns"):
    """The products have more than {limit} different attributes, options, external ids and metadata: export them as
    JSONL, which has no columns."""


async def products(database: Database, format: Format, locales: Sequence[str]) -> AsyncGenerator[str, None]:
    """In the sequence of their ids. No connection is held between two parts, so the parts are not of one moment."""
    columns = await _columns(database, locales) if format == Format.CSV else None
    yield _header(columns)
    after = UUID(int=0)
    while True:
        async with database.session() as tx:
            page = select(Product).where(col(Product.id) > after).order_by(col(Product.id)).limit(PAGE)
            found = (await tx.exec(page)).all()
            rows = list(await _product_rows(tx, found, locales))
        if not rows:
            return
        yield _lines(rows, columns)
        after = found[-1].id


async def prices(database: Database, format: Format) -> AsyncGenerator[str, None]:
    """Those that apply now or later, in the sequence in which they were scheduled."""
    columns = PRICE_COLUMNS if format == Format.CSV else None
    yield _header(columns)
    after, now = UUID(int=0), utcnow()
    while True:
        async with database.session() as tx:
            page = (
                select(ScheduledPrice, Product.sku)
                .join(Product, col(Product.id) == ScheduledPrice.product_id)
                .where(ScheduledPrice.live(now), col(ScheduledPrice.id) > after)
                .order_by(col(ScheduledPrice.id))
                .limit(PAGE)
            )
            found = (await tx.exec(page)).all()
        if not found:
            return
        yield _lines((_price_row(price, sku) for price, sku in found), columns)
        after = found[-1][0].id


async def failed_rows(database: Database, wanted: Import) -> AsyncGenerator[str, None]:
    """The rows that failed, as they were sent, each after its number, column, code and message."""
    yield _header(None if wanted.columns is None else [*ERROR_COLUMNS, *_without_errors(wanted.columns)])
    after = 0
    while True:
        async with database.session() as tx:
            found = await queries.failures(tx, wanted.id, after, PAGE)
        if not found:
            return
        yield "".join(_failed_row(each, wanted.columns) for each in found)
        after = found[-1].row_number


def _header(columns: Iterable[str] | None) -> str:
    return "" if columns is None else csv_lines([columns])


def _lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None) -> str:
    """Rows of CSV with these columns, or lines of JSON. Text beyond ASCII is written as it is."""
    if columns is None:
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    return csv_lines([cell(name, row.get(name)) for name in columns] for row in rows)


async def _columns(database: Database, locales: Sequence[str]) -> list[str]:
    """Raises: TooManyColumns."""
    async with database.session() as tx:
        names = [name for (name,) in await _NAMES.fetch(tx, limit=MAX_COLUMNS + 1)]
    if len(names) > MAX_COLUMNS:
        raise TooManyColumns(limit=MAX_COLUMNS)
    return [*PRODUCT_COLUMNS, *names, *(f"{name}:{locale}" for locale in locales[1:] for name in TRANSLATED)]


async def _product_rows(tx: Session, found: Sequence[Product], locales: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each product's values by column, without those that it has not."""
    categories = await _slugs(tx, Category, {each.category_id for each in found})
    families = await _slugs(tx, Family, {each.family_id for each in found})
    translations = await queries.translations(tx, [each.id for each in found]) if locales[1:] else {}

    def row(product: Product) -> dict[str, Any]:
        texts = [(locale, translations.get((product.id, locale))) for locale in locales[1:]]
        every = {
            **_fixed(product),
            "category": categories.get(product.category_id),
            "family": families.get(product.family_id),
            **{f"{name}:{key}": value for name in MAPS for key, value in getattr(product, _FIELDS[name]).items()},
            **{name: value for locale, found in texts if found for name, value in _translated(found, locale)},
        }
        return {name: value for name, value in every.items() if value is not None}

    return map(row, found)


def _fixed(product: Product) -> dict[str, Any]:
    names = ("sku", "name", "description", "brand", "gtin", "weight_g", "tax_class", "status")
    return {
        **{name: getattr(product, name) for name in names},
        **(product.dimensions or {}),
        **{f"seo_{name}": value for name, value in (product.seo or {}).items()},
        "price_amount": product.price_amount,
        "price_currency": product.price_currency,
    }


def _translated(translation: Translation, locale: str) -> Iterator[tuple[str, Any]]:
    for name, value in translation.fields.items():
        if name == "seo":
            yield from ((f"seo_{key}:{locale}", text) for key, text in value.items())
        else:
            yield f"{name}:{locale}", value


async def _slugs(tx: Session, model: Any, ids: set[UUID | None]) -> dict[UUID | None, str]:
    wanted = [each for each in ids if each]
    if not wanted:
        return {}
    return dict(list(await tx.exec(select(model.id, model.slug).where(col(model.id).in_(wanted)))))


def _price_row(price: ScheduledPrice, sku: str) -> dict[str, Any]:
    row = {
        "sku": sku, "amount": price.amount, "currency": price.currency, "min_quantity": price.min_quantity,
        "starts_at": price.starts_at.isoformat(), "ends_at": price.ends_at and price.ends_at.isoformat(),
    }  # fmt: skip
    return {name: value for name, value in row.items() if value is not None}


def _without_errors(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name not in ERROR_COLUMNS]


def _failed_row(failure: ImportFailure, columns: Sequence[str] | None) -> str:
    """A row of CSV is repeated as it was sent, since one that is broken has no cells. Of a file that has the columns of
    errors already, these cells are left out."""
    reasons = failure.row_number, failure.field or "", failure.code, failure.message
    if columns is not None:
        content = failure.content
        if len(kept := _without_errors(columns)) < len(columns):
            content = _kept_cells(content, columns, kept)
        return f"{csv_lines([reasons])[:-2]},{content}\r\n"
    named = dict(zip(ERROR_COLUMNS, reasons, strict=True))
    try:
        found = json.loads(failure.content)
    except ValueError:
        found = None
    own = {"error_line": failure.content} if not isinstance(found, dict) else found
    return json.dumps({**own, **named}) + "\n"  # in ASCII, since it may have lone surrogates


def _kept_cells(content: str, columns: Sequence[str], kept: Sequence[str]) -> str:
    try:
        found = cells(content.encode())
    except RowFailed:
        return content
    if len(found) != len(columns):
        return content
    by_name = dict(zip(columns, found, strict=True))
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(by_name[name] for name in kept)
    return text.getvalue()
