"""The rows of a file, from any position in it, as bytes and then as values."""

import csv
import json
import re
from typing import Any, NamedTuple

from product_service.imports.models import Format
from service_kit.csv_lines import as_written

MAX_RECORD_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_INTEGER = re.compile(r"-?\d{1,18}")
INTEGERS = frozenset({"weight_g", "length_mm", "width_mm", "height_mm", "price_amount", "amount", "min_quantity"})
TYPED = ("attribute:", "metadata:")
"""Prefixes of columns whose values are texts, numbers or booleans."""


class RowFailed(Exception):
    """A row that can't be imported, and the column that is wrong, if it is one."""

    def __init__(self, code: str, message: str, column: str | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.column = code, message, column


class Record(NamedTuple):
    """A row as it was sent. `end`: where the next one begins in the file."""

    number: int
    content: bytes
    end: int


def end_of_record(buffer: bytes, start: int, format: str, *, is_last: bool) -> int | None:
    """Where the row ends that begins at `start`; None if that needs more than the buffer, which is never the case if it
    has `MAX_RECORD_BYTES` from there on or `is_last`.

    A line break within quotation marks does not end a row of CSV. If a mark is never closed, so that what follows is no
    row, the line alone is one, which is broken, and the next line begins another.
    """
    first = buffer.find(b"\n", start) + 1
    end, quotes = start, 0
    while newline := buffer.find(b"\n", end) + 1:
        quotes += buffer.count(b'"', end, newline)
        end = newline
        if format != Format.CSV or quotes % 2 == 0 or end - start > MAX_RECORD_BYTES:
            return end if end == first or _is_row(buffer[start:end]) else first
    if len(buffer) - start >= MAX_RECORD_BYTES:
        return first or start + MAX_RECORD_BYTES
    if not is_last:
        return None
    return len(buffer) if not first or end == first or _is_row(buffer[start:]) else first


def _is_row(content: bytes) -> bool:
    try:
        cells(content)
    except RowFailed:
        return False
    return True


def cells(content: bytes) -> list[str]:
    """The cells of a row of CSV. Raises: RowFailed."""
    try:
        rows = list(csv.reader([_text(content)], strict=True))
    except csv.Error as error:
        raise RowFailed("row-broken", f"This is no row of CSV (RFC 4180): {error}.") from error
    return rows[0] if rows else []


def values(content: bytes, columns: list[str] | None) -> dict[str, Any]:
    """The values of a row by column; None: to be removed. `columns`: of a CSV file. Raises: RowFailed."""
    if columns is None:
        return _members(content)
    found = cells(content)
    if len(found) != len(columns):
        raise RowFailed("row-broken", f"The row has {len(found)} cells, and the header has {len(columns)}.")
    return {name: _value(name, as_written(cell)) for name, cell in zip(columns, found, strict=True)}


def _members(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_text(content))
    except (ValueError, RecursionError) as error:
        raise RowFailed("row-broken", f"The line is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise RowFailed("row-broken", "The line must be a JSON object, whose members are named like columns.")
    return found


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RowFailed("row-not-utf-8", "The row is not encoded as UTF-8.") from error


def _value(column: str, cell: str) -> Any:
    if not cell:
        return None
    if column in INTEGERS:
        return int(cell) if _INTEGER.fullmatch(cell) else cell
    if column.startswith(TYPED) and (cell in ("true", "false") or _NUMBER.fullmatch(cell) or cell[0] == '"'):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def cell(column: str, value: Any) -> Any:
    """What `csv_lines` writes for a value, so that `values` reads the same. A text that would be read as a number or a
    boolean is written as JSON, in quotation marks."""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str) and value and column.startswith(TYPED) and _value(column, value) != value:
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value
