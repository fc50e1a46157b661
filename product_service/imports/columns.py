"""The columns of files with products and prices, and where their values are in the API's bodies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from product_service.imports.models import ImportUnreadable, Kind
from product_service.imports.records import RowFailed
from product_service.text import Sku

PRICE_COLUMNS = ("sku", "amount", "currency", "min_quantity", "starts_at", "ends_at")
PRODUCT_COLUMNS = (
    "sku", "name", "description", "category", "family", "brand", "gtin", "length_mm", "width_mm", "height_mm",
    "weight_g", "tax_class", "seo_title", "seo_description", "status", "price_amount", "price_currency",
)  # fmt: skip
ERROR_COLUMNS = ("error_row", "error_column", "error_code", "error_message")
"""What a file of failed rows has besides; it is ignored when the file is sent again."""
MAPS = {"attribute": "attributes", "option": "options", "external_id": "external_ids", "metadata": "metadata"}
_MEMBERS = {
    **{name: ("dimensions", name) for name in ("length_mm", "width_mm", "height_mm")},
    **{f"seo_{name}": ("seo", name) for name in ("title", "description")},
    **{f"price_{name}": ("price", name) for name in ("amount", "currency")},
}
_IDS = {"category": "category_id", "family": "family_id"}
_SKU: TypeAdapter[str] = TypeAdapter(Sku)
TRANSLATED = ("name", "description", "seo_title", "seo_description")


class Place(NamedTuple):
    """Where a column's value is: a field, the member of a field (`seo`, `title`), and of a translation."""

    field: str
    member: str | None = None
    locale: str | None = None


def place(column: str) -> Place:
    """The place of a known column of products."""
    name, _, rest = column.partition(":")
    if rest and name in MAPS:
        return Place(MAPS[name], rest.strip())
    field, member = _MEMBERS.get(name, (_IDS.get(name, name), None))
    return Place(field, member, rest or None)


def column_of(location: Sequence[Any], locale: str | None = None) -> str:
    """The column of a field that validation names by its location."""
    field, member = str(location[0]), str(location[1]) if len(location) > 1 else None
    for prefix, name in MAPS.items():
        if field == name:
            return f"{prefix}:{member}" if member else f"{prefix}:"
    fixed = {where: name for name, where in _MEMBERS.items()}
    names = {id: name for name, id in _IDS.items()}
    if field == "price" and member is None:
        return "price_amount"
    found = fixed.get((field, member or ""), names.get(field, field))
    return f"{found}:{locale}" if locale else found


def unknown(kind: str, columns: Iterable[str], locales: Sequence[str]) -> list[str]:
    """The columns that files of this kind can't have. `locales`: of the shop, the main one first."""
    return [name for name in columns if not _is_known(kind, name, locales)]


def _is_known(kind: str, column: str, locales: Sequence[str]) -> bool:
    if column in ERROR_COLUMNS:
        return True
    if kind == Kind.PRICES:
        return column in PRICE_COLUMNS
    name, _, rest = column.partition(":")
    if not rest:
        return column in PRODUCT_COLUMNS
    return name in MAPS or (name in TRANSLATED and rest in locales[1:])


def check_header(kind: str, columns: Sequence[str], locales: Sequence[str]) -> None:
    """Raises: ImportUnreadable."""
    if wrong := unknown(kind, columns, locales):
        raise ImportUnreadable(
            reason=f"it has unknown columns: {', '.join(wrong)[:500]} (the first line names them, with commas between)"
        )
    if len(set(columns)) < len(columns):
        raise ImportUnreadable(reason="a column occurs twice")
    if "sku" not in columns:
        raise ImportUnreadable(reason="the column sku is missing")


def check_members(kind: str, values: Mapping[str, Any], locales: Sequence[str]) -> str:
    """Returns the SKU of a row. Raises: RowFailed."""
    if wrong := unknown(kind, values, locales):
        raise RowFailed("column-unknown", f"There is no column {wrong[0][:200]}.", wrong[0][:200])
    sku = values.get("sku")
    if sku is None:
        raise RowFailed("sku-missing", "The row needs a SKU.", "sku")
    try:
        return _SKU.validate_python(sku)
    except ValidationError as error:
        raise RowFailed("sku-invalid", error.errors(include_url=False)[0]["msg"], "sku") from error
