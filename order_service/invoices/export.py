"""Invoices as CSV, for bookkeeping: one row for each tax rate of an invoice."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from decimal import Decimal

from order_service.invoices import queries
from order_service.invoices.models import Invoice, InvoiceKind
from service_kit.csv_lines import csv_lines
from service_kit.database import Database
from service_kit.database.keyset import Position

COLUMNS = ("number", "kind", "issued_on", "order_number", "corrects", "currency", "tax_rate", "net", "tax", "total")
PAGE = 500


async def rows_of(database: Database, since: datetime | None, until: datetime | None) -> AsyncIterator[str]:
    """The lines of the file, a page at a time. A credit note's amounts are negative, so that columns can be summed."""
    yield csv_lines([COLUMNS])
    cursor = None
    while True:
        async with database.session() as tx:
            page = await queries.page(tx, Position(PAGE, cursor), since, until)
        yield csv_lines(row for invoice in page.rows for row in _rows(invoice))
        if (cursor := page.next) is None:
            return


def _rows(invoice: Invoice) -> Iterator[tuple[object, ...]]:
    content = invoice.content
    named = (invoice.full_number, invoice.kind, content["issued_on"], content["order_number"])
    corrected = content.get("corrects", {}).get("number", "")
    sign = -1 if invoice.kind == InvoiceKind.CREDIT_NOTE else 1
    for each in content["taxes"]:
        amounts = (Decimal(sign * each[name]).scaleb(-content["exponent"]) for name in ("net", "tax", "total"))
        yield *named, corrected, invoice.currency, Decimal(each["rate"]).scaleb(-6).normalize() + 0, *amounts
