"""Reads a file of invoices in the format of the Online Retail data set, and skips unusable lines."""

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

from local_stack.errors import StackError

DEFAULT_FILE = Path(__file__).resolve().parent.parent / "data" / "online_retail_2010_12.csv.gz"
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
SKIP_REASONS = ("return", "invoice", "stock_code", "quantity", "price")

_INVOICE = re.compile(r"\d+", re.ASCII)
_STOCK_CODE = re.compile(r"\d{5}[A-Z]*", re.ASCII)
_CUSTOMER = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """`unit_price` is in pence."""

    sku: str
    description: str
    quantity: int
    unit_price: int


@dataclass(slots=True)
class Invoice:
    """`customer`: empty if the shop didn't know the customer."""

    number: str
    customer: str
    country: str
    lines: list[Line] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(line.quantity * line.unit_price for line in self.lines)


@dataclass(frozen=True, slots=True)
class Product:
    """A stock code with its most frequent description and price, and the units that were sold."""

    sku: str
    name: str
    price: int
    units: int


@dataclass(slots=True)
class Sales:
    """The usable lines of a file, in its order, and the number of lines skipped for each reason."""

    invoices: list[Invoice] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SKIP_REASONS, 0))

    @property
    def lines(self) -> Iterator[Line]:
        return (line for invoice in self.invoices for line in invoice.lines)

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def revenue(self) -> int:
        return sum(invoice.total for invoice in self.invoices)

    def first(self, invoices: int) -> "Sales":
        return Sales(self.invoices[:invoices], self.skipped)

    def products(self) -> list[Product]:
        """The products in the order of the file. Of equally frequent descriptions or prices, the first counts."""
        names: dict[str, Counter[str]] = {}
        prices: dict[str, Counter[int]] = {}
        units: Counter[str] = Counter()
        for line in self.lines:
            names.setdefault(line.sku, Counter())
            prices.setdefault(line.sku, Counter())[line.unit_price] += 1
            units[line.sku] += line.quantity
            if line.description:
                names[line.sku][line.description] += 1
        return [
            Product(sku, (found.most_common(1) or [(sku, 1)])[0][0], prices[sku].most_common(1)[0][0], units[sku])
            for sku, found in names.items()
        ]


class BadFile(StackError):
    """A file that can't be replayed; the message names the line."""


def read(file: Path) -> Sales:
    """Raises: BadFile."""
    try:
        with file.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
        with (
            gzip.open(file, "rt", encoding="utf-8-sig", newline="")
            if zipped
            else file.open(encoding="utf-8-sig", newline="") as text
        ):
            return parse(text, str(file))
    except UnicodeDecodeError as error:
        raise BadFile(f"{file} is not UTF-8 text: convert it first, for instance with iconv.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile(f"{file} can't be read: {error}") from error


def parse(text: Iterable[str], name: str = "the file") -> Sales:
    """Raises: BadFile."""
    rows = csv.DictReader(text)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise BadFile(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} in its first line. "
            f"Needed: {', '.join(COLUMNS)}."
        )
    sales, invoices = Sales(), dict[str, Invoice]()
    try:
        for row in rows:
            _take(row, sales, invoices)
    except (ValueError, csv.Error) as error:
        raise BadFile(f"{name}, line {rows.line_num}: {error}") from error
    sales.invoices = list(invoices.values())
    if not sales.invoices:
        raise BadFile(f"{name} holds no sale: {sum(sales.skipped.values()):,} lines, all skipped.")
    return sales


def _take(row: dict[str, str | None], sales: Sales, invoices: dict[str, Invoice]) -> None:
    """Raises: ValueError, if the row can't be read."""
    values = {column: row[column] or "" for column in COLUMNS}
    line = _line(values)
    if isinstance(line, str):
        sales.skipped[line] += 1
        return
    number = values["InvoiceNo"]
    invoice = invoices.get(number)
    if invoice is None:
        customer = values["CustomerID"].strip().removesuffix(".0")
        if customer and not _CUSTOMER.fullmatch(customer):
            raise ValueError(f"CustomerID {customer!r} has other characters than letters, digits and hyphens")
        invoice = invoices[number] = Invoice(number, customer, values["Country"].strip() or "Unspecified")
    invoice.lines.append(line)


def _line(values: dict[str, str]) -> Line | str:
    """The line, or the first reason to skip it; further values of a skipped line are not read."""
    number, sku = values["InvoiceNo"], values["StockCode"].upper()
    if number.startswith("C"):
        return "return"
    if not _INVOICE.fullmatch(number):
        return "invoice"
    if not _STOCK_CODE.fullmatch(sku):
        return "stock_code"
    quantity = _number(values, "Quantity")
    if quantity <= 0:
        return "quantity"
    if quantity != int(quantity):
        raise ValueError(f"Quantity {values['Quantity']!r} is no whole number")
    price = _pence(_number(values, "UnitPrice"))
    if price <= 0:
        return "price"
    return Line(sku, " ".join(values["Description"].split()), int(quantity), price)


def _number(values: dict[str, str], column: str) -> Decimal:
    try:
        number = Decimal(values[column].strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{column} {values[column]!r} is no number")
    return number


def _pence(pounds: Decimal) -> int:
    """The amount in pence, rounded to the nearest penny."""
    return int((pounds * 100).quantize(Decimal(1), ROUND_HALF_UP))
