"""Changes of the books of prices, each with a part of the violation that must be reported."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.system.sources import Books


def _one(name: str, which: Callable[[Any], bool], **values: Any) -> Callable[[Books], Books]:
    """Changes the first such row."""

    def break_books(books: Books) -> Books:
        rows: list[Any] = list(books.rows[name])
        place = next(number for number, row in enumerate(rows) if which(row))
        rows[place] = {**rows[place], **values}
        return replace(books, rows={**books.rows, name: rows})

    return break_books


def _any(_: Any) -> bool:
    return True


def _with_code(row: Any) -> bool:
    return bool(row["redemptions"])


FAULTS: dict[str, tuple[str, Callable[[Books], Books]]] = {
    "a total that is not the sum of its parts": ("total is", _one("amounts", _any, line_total=1)),
    "a tax that is not the sum of its parts": ("tax is", _one("amounts", _any, line_tax=1)),
    "a discount of nothing": ("discount is", _one("amounts", _with_code, line_discount=0)),
    "a discount without its promotion": ("adjusted is", _one("amounts", _with_code, adjusted=0)),
    "an order with a code that is not redeemed": ("redemptions is", _one("amounts", _with_code, redemptions=0)),
    "a use that a cancelled order keeps": ("kept is", _one("amounts", _with_code, kept=1)),
    "more uses than orders": ("uses,", _one("uses", lambda row: row["used"] > 0, used=999)),
    "a gap in the numbers of invoices": ("invoices, up to", _one("series", _any, highest=10**6)),
    "a paid order without an invoice": (
        "0 invoices",
        _one("invoiced", lambda row: row["captured"] > row["refunded"], invoices=0),
    ),
    "an order invoiced twice": ("2 invoices", _one("invoiced", lambda row: row["invoices"] == 1, invoices=2)),
    "a refund without a credit note": ("0 credited", _one("invoiced", lambda row: row["credited"] > 0, credited=0)),
}
