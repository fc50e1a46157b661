"""What the storing of products and of prices has in common: rows, what became of them, and why one failed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from product_service.imports.models import Import, ImportFailure
from product_service.imports.records import Record, RowFailed
from service_kit.problems import Problem

MAX_MESSAGE = 500
_NOT_INTEGER = {"int_type", "int_parsing", "int_from_float"}
_COLUMN_OF_PROBLEM = {
    "sku-taken": "sku", "gtin-taken": "gtin", "category-unknown": "category", "family-unknown": "family",
    "option-unknown": "family", "variant-exists": "family", "too-many-variants": "family",
    "not-a-draft-again": "status",
    "price-exists": "starts_at", "price-ends-too-early": "ends_at", "price-ended": "ends_at",
}  # fmt: skip


class Row(NamedTuple):
    """A row that can be read. `values`: by column; None: to be removed."""

    record: Record
    sku: str
    values: dict[str, Any]


@dataclass
class Outcome:
    """What became of the rows of a batch."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    failures: list[ImportFailure] = field(default_factory=list)

    def fail(self, wanted: Import, record: Record, error: RowFailed) -> None:
        self.failures.append(
            ImportFailure(
                import_id=wanted.id,
                row_number=record.number,
                field=error.column and _storable(error.column),
                code=error.code,
                message=_storable(error.message)[:MAX_MESSAGE],
                content=_storable(record.content.decode(errors="replace").rstrip("\r\n")),
            )
        )


def _storable(text: str) -> str:
    """The text without what PostgreSQL can't store."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


def row_failed(error: Problem | ValidationError, column_of: Callable[[Sequence[Any]], str]) -> RowFailed:
    """The failure of a row, from the first error of the API's schemas or rules. `column_of`: a field's column."""
    if isinstance(error, Problem):
        return RowFailed(error.type, error.detail, _COLUMN_OF_PROBLEM.get(error.type))
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    location = first["loc"]
    if not location:  # a rule of several fields, such as: name must not be null
        field = first["msg"].removeprefix("Value error, ").split(" ")[0]
        return RowFailed(f"{_kebab(field)}-missing", first["msg"], column_of([field]))
    name = location[1] if location[0] in ("price", "dimensions", "seo") and len(location) > 1 else location[0]
    kind = "not-integer" if first["type"] in _NOT_INTEGER else "missing" if first["type"] == "missing" else "invalid"
    return RowFailed(f"{_kebab(str(name))}-{kind}", first["msg"], column_of(location))


def _kebab(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.removesuffix("_id").lower()).strip("-")
