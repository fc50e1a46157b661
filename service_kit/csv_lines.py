"""Rows as the lines of a CSV file (RFC 4180), for exports that people open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

_FORMULA = re.compile(r"^'*[=+\-@\t\r]")


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_inert(cell) for cell in row] for row in rows)
    return text.getvalue()


def _inert(cell: Any) -> Any:
    """Spreadsheets execute a text that begins like a formula, which a customer or a supplier may have written; an
    apostrophe makes it a text. Numbers stay as they are. `as_written` reverses this."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def as_written(cell: str) -> str:
    """The text of a cell that `csv_lines` has written, without the apostrophe that it may have put before it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
