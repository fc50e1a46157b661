"""Every statement about invoices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select

from order_service.invoices.content import InvoicedLine, InvoicedOrder, SettledRefund
from order_service.invoices.models import Invoice, InvoiceRecipient, parse_number
from order_service.orders.models import Order
from service_kit.database import Connection, Session, Statement, Transaction, columns, insert
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.problems import not_found

SET_POLICY = Statement("""
INSERT INTO invoice_policy (issue_at) VALUES (:issue_at)
ON CONFLICT (id) DO UPDATE SET issue_at = excluded.issue_at WHERE invoice_policy.issue_at <> excluded.issue_at
""")
DELETE_POLICY = Statement("DELETE FROM invoice_policy WHERE id = 1")
# Whoever holds this lock issues invoices. The statements that request them read the row without a lock.
_LOCK = Statement("SELECT clock_timestamp() FROM invoice_policy WHERE id = 1 FOR UPDATE SKIP LOCKED")
_REQUESTS = Statement("SELECT id, order_id, refund_id, at FROM invoice_requests ORDER BY id LIMIT :limit")
_DELETE_REQUESTS = Statement("DELETE FROM invoice_requests WHERE id = ANY(:ids::bigint[])")
# In one statement, so that what was captured and what was refunded are of the same moment.
_ORDERS = Statement("""
SELECT id, number, customer_id, currency, total, captured, prices_include_tax, shipping, tax_note, tax_id, bill_to,
       ship_to, created_at,
       (SELECT jsonb_agg(jsonb_build_array(r.id, r.amount, r.pieces) ORDER BY r.settled_at, r.id) FROM refunds r
        WHERE r.order_id = orders.id AND r.status = 'succeeded' AND r.currency = orders.currency) AS refunds
FROM orders WHERE id = ANY(:ids::uuid[])
""")
_LINES = Statement(f"""
SELECT {", ".join(field.name for field in fields(InvoicedLine))} FROM order_lines
WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY order_id, position
""")
_ISSUED = Statement(f"""
SELECT {columns(Invoice)} FROM invoices WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY issued_at, series, number
""")
_RECIPIENTS = Statement(
    "SELECT invoice_id, content FROM invoice_recipients WHERE invoice_id = ANY(:invoice_ids::uuid[])"
)
# The row stays locked until the transaction ends: so the numbers of one that fails are given again, without a gap.
_NUMBERS = Statement("""
INSERT INTO invoice_series AS series (id, prefix, year, next) VALUES (:id, :prefix, :year::int, :count::bigint + 1)
ON CONFLICT (id) DO UPDATE SET next = series.next + :count::bigint RETURNING next - :count::bigint
""")
_SKIP_NUMBERS = Statement("""
INSERT INTO invoice_series AS series (id, prefix, year, next) VALUES (:id, :prefix, :year::int, :number::bigint + 1)
ON CONFLICT (id) DO UPDATE SET next = greatest(series.next, excluded.next)
""")
_INSERT = Statement(insert("issued", Invoice))
_INSERT_RECIPIENTS = Statement(insert("recipients", InvoiceRecipient))
# Of invoices whose year ended so long ago.
_DELETE_RECIPIENTS = Statement("""
DELETE FROM invoice_recipients WHERE invoice_id IN (
    SELECT r.invoice_id FROM invoices i JOIN invoice_recipients r ON r.invoice_id = i.id
    WHERE i.issued_at < date_trunc('year', date_trunc('year', :now::timestamptz, 'UTC') - :retention::interval, 'UTC')
    ORDER BY i.issued_at, i.id LIMIT :limit
)
""")


class Request(NamedTuple):
    """A row of `invoice_requests`."""

    id: int
    order_id: UUID
    refund_id: UUID | None
    at: datetime


async def lock(tx: Transaction) -> datetime | None:
    """The time by the database's clock, if this transaction may issue invoices. None: none are issued, or another
    process is at it."""
    now: datetime | None = await _LOCK.fetchval(tx)
    return now


async def requests(tx: Transaction, limit: int) -> list[Request]:
    return await _REQUESTS.fetch_as(tx, Request, limit=limit)


async def delete_requests(tx: Transaction, ids: Sequence[int]) -> None:
    await _DELETE_REQUESTS.execute(tx, ids=ids)


async def orders(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, InvoicedOrder]:
    lines: defaultdict[UUID, list[InvoicedLine]] = defaultdict(list)
    for line in await _LINES.fetch_as(tx, InvoicedLine, order_ids=ids):
        lines[line.order_id].append(line)
    found = await _ORDERS.fetch_as(tx, InvoicedOrder, ids=ids)
    return {order.id: replace(order, refunds=_refunds(order.refunds), lines=lines[order.id]) for order in found}


def _refunds(rows: Any) -> list[SettledRefund]:
    return [SettledRefund(UUID(id), amount, pieces) for id, amount, pieces in rows or ()]


async def issued(tx: Transaction, order_ids: Sequence[UUID]) -> Mapping[UUID, list[Invoice]]:
    """The invoice and the credit notes of each order, the earliest first."""
    found: defaultdict[UUID, list[Invoice]] = defaultdict(list)
    for each in await _ISSUED.fetch_as(tx, Invoice, order_ids=order_ids):
        found[each.order_id].append(each)
    return found


async def recipients(db: Connection | Transaction | Session, invoice_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The personal data of these invoices, unless it was erased."""
    return dict(await _RECIPIENTS.fetch(db, invoice_ids=invoice_ids))


async def take_numbers(tx: Transaction, prefix: str, year: int, count: int) -> tuple[str, int]:
    """The series, and the first of `count` numbers in it that belong to this transaction."""
    series = f"{prefix}-{year}"
    return series, await _NUMBERS.fetchval(tx, id=series, prefix=prefix, year=year, count=count)


async def skip_numbers(tx: Transaction, series: str, number: int) -> None:
    """The next number of the series is above this one."""
    prefix, _, year = series.rpartition("-")
    await _SKIP_NUMBERS.execute(tx, id=series, prefix=prefix, year=int(year), number=number)


async def add(tx: Transaction, issued: Sequence[Invoice], recipients: Iterable[dict[str, Any]]) -> None:
    await _INSERT.execute(tx, issued=issued)
    pairs = zip(issued, recipients, strict=True)
    rows = [InvoiceRecipient(invoice_id=invoice.id, content=content) for invoice, content in pairs if content]
    await _INSERT_RECIPIENTS.execute(tx, recipients=rows)


async def erase_recipients(tx: Transaction, now: datetime, retention: timedelta, limit: int) -> int:
    """Deletes the personal data of a batch of the invoices whose retention has ended; returns of how many."""
    return await _DELETE_RECIPIENTS.execute(tx, now=now, retention=retention, limit=limit)


async def find(tx: Session, number: str, customer_id: UUID | None) -> Invoice:
    """An invoice by its number as it is printed. `customer_id` None: any customer's. Raises: NotFound."""
    parsed = parse_number(number)
    if parsed is None:
        not_found(Invoice, number)
    statement = select(Invoice).where(Invoice.series == parsed[0], Invoice.number == parsed[1])
    if customer_id is not None:
        statement = statement.join(Order, col(Order.id) == Invoice.order_id).where(Order.customer_id == customer_id)
    return (await tx.exec(statement)).one_or_none() or not_found(Invoice, number)


async def get(tx: Session, id: UUID) -> Invoice | None:
    return await tx.get(Invoice, id)


async def page_of_order(tx: Session, position: Position, order_id: UUID) -> Slice[Invoice]:
    return await keyset(tx, select(Invoice).where(Invoice.order_id == order_id), position, Invoice.id)


async def page(tx: Session, position: Position, since: datetime | None, until: datetime | None) -> Slice[Invoice]:
    """Issued at `since` or later and before `until`, sorted by the time of issue."""
    statement = select(Invoice)
    if since is not None:
        statement = statement.where(Invoice.issued_at >= since)
    if until is not None:
        statement = statement.where(Invoice.issued_at < until)
    return await keyset(tx, statement, position, Invoice.issued_at, Invoice.id)
