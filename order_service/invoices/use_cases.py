"""Issues invoices and credit notes.

Everything of a batch is one transaction: the numbers, the invoices, their events and the end of their requests. A crash
rolls back all of it, so no number is lost or given twice, and nothing is issued twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.events.order_notification import InvoiceIssued
from order_service.invoices import events, queries
from order_service.invoices.content import InvoicedOrder, Seller, invoice_content
from order_service.invoices.credit import Credits
from order_service.invoices.models import ORDER, Invoice, InvoiceKind, parse_number
from order_service.settings import Settings
from service_kit.database import Transaction
from service_kit.ids import uuid7
from service_kit.messaging import outbox


@dataclass
class _Draft:
    order: InvoicedOrder
    cause: str
    content: dict[str, Any]
    recipient: dict[str, Any]


@dataclass
class _Batch:
    """The orders of a batch of requests, with what was issued for them."""

    settings: Settings
    now: datetime
    orders: Mapping[UUID, InvoicedOrder]
    issued: Mapping[UUID, list[Invoice]]
    recipients: dict[UUID, dict[str, Any]]
    added: list[tuple[Invoice, InvoicedOrder, dict[str, Any]]] = field(default_factory=list)

    @property
    def seller(self) -> Seller:
        return Seller(self.settings.seller_name, self.settings.seller_address, self.settings.seller_tax_id)

    def invoices(self, requests: Sequence[queries.Request]) -> list[_Draft]:
        """The invoices of orders that are to be invoiced and have none, in the sequence of their requests."""
        wanted = {each.order_id: each.at for each in reversed(requests) if each.refund_id is None}
        return [
            _Draft(order, ORDER, invoice_content(order, self.seller, wanted[id]), order.recipient)
            for id in dict.fromkeys(each.order_id for each in requests)
            if id in wanted and (order := self.orders.get(id)) and self._invoice(id) is None
        ]

    def credit_notes(self) -> list[_Draft]:
        """The credit notes of all refunds that lack one. What has no invoice gets none: its invoice, if there will be
        one, is followed by those of the refunds until then."""
        drafts: list[_Draft] = []
        for id, order in self.orders.items():
            if (invoice := self._invoice(id)) is None:
                continue
            notes = {each.cause: each.content for each in self.issued[id] if each.kind == InvoiceKind.CREDIT_NOTE}
            credits = Credits(order, invoice.content, list(notes.values()))
            for refund in order.refunds:
                content = credits.credit(refund, self.seller, is_credited=str(refund.id) in notes)
                if content is not None:
                    drafts.append(_Draft(order, str(refund.id), content, self.recipients.get(invoice.id, {})))
        return drafts

    async def number(self, tx: Transaction, kind: InvoiceKind, drafts: Sequence[_Draft]) -> None:
        if not drafts:
            return
        prefix = self.settings.invoice_prefix if kind is InvoiceKind.INVOICE else self.settings.credit_note_prefix
        series, first = await queries.take_numbers(tx, prefix, self.now.year, len(drafts))
        for number, draft in enumerate(drafts, first):
            self.add(uuid7(), kind, series, number, draft)

    def add(self, id: UUID, kind: InvoiceKind, series: str, number: int, draft: _Draft) -> None:
        invoice = Invoice(
            id=id, series=series, number=number, order_id=draft.order.id, kind=kind, cause=draft.cause,
            content=draft.content, issued_at=self.now, currency=draft.order.currency,
            total=draft.content["total"], tax=draft.content["tax"],
        )  # fmt: skip
        draft.content |= {"kind": kind, "number": invoice.full_number, "issued_on": self.now.date().isoformat()}
        self.issued[draft.order.id].append(invoice)
        self.recipients[invoice.id] = draft.recipient
        self.added.append((invoice, draft.order, draft.recipient))

    def _invoice(self, order_id: UUID) -> Invoice | None:
        return next((each for each in self.issued[order_id] if each.kind == InvoiceKind.INVOICE), None)


async def issue(tx: Transaction, settings: Settings, limit: int) -> bool:
    """Issues what the next `limit` requests ask for; whether there may be more.

    Only one process does so at a time. So the numbers of a series are in the sequence of their dates, and what is still
    to be issued can't change meanwhile.
    """
    now = await queries.lock(tx)
    requests = await queries.requests(tx, limit) if now else []
    if now is None or not requests:
        return False
    batch = await _batch(tx, settings, now, {each.order_id for each in requests})
    await batch.number(tx, InvoiceKind.INVOICE, batch.invoices(requests))
    await batch.number(tx, InvoiceKind.CREDIT_NOTE, batch.credit_notes())
    await _save(tx, batch)
    await queries.delete_requests(tx, [each.id for each in requests])
    return len(requests) == limit


async def issue_again(tx: Transaction, settings: Settings, event: InvoiceIssued, at: datetime) -> bool:
    """Stores what was issued (`at` this time) before the database was restored to an earlier moment, under its former
    number, which is never given again. False: it can't be made again from what is known."""
    parsed = parse_number(event.invoice_number)
    if parsed is None:
        return False
    (series, number), batch = parsed, await _batch(tx, settings, at, {event.order_id})
    await queries.skip_numbers(tx, series, number)
    if any(each.id == event.invoice_id for each in batch.issued[event.order_id]):
        return True
    if event.credit_note:
        kind, drafts = InvoiceKind.CREDIT_NOTE, batch.credit_notes()
    else:
        kind, drafts = InvoiceKind.INVOICE, batch.invoices([queries.Request(0, event.order_id, None, at)])
    draft = next((each for each in drafts if each.content["total"] == event.total.amount), None)
    if draft is None:
        return False
    batch.add(event.invoice_id, kind, series, number, draft)
    await queries.add(tx, [invoice for invoice, *_ in batch.added], [draft.recipient])
    return True


async def _batch(tx: Transaction, settings: Settings, now: datetime, order_ids: Collection[UUID]) -> _Batch:
    ids = list(order_ids)
    issued = await queries.issued(tx, ids)
    known = await queries.recipients(tx, [each.id for of_order in issued.values() for each in of_order])
    return _Batch(settings, now, await queries.orders(tx, ids), issued, known)


async def _save(tx: Transaction, batch: _Batch) -> None:
    if not batch.added:
        return
    secret = batch.settings.invoice_link_secret
    assert secret is not None  # the settings are not valid without it
    await queries.add(tx, [invoice for invoice, *_ in batch.added], [recipient for *_, recipient in batch.added])
    link = batch.settings.public_url, secret.get_secret_value(), batch.settings.invoice_link_valid
    await outbox.add(tx, *(events.issued(invoice, order, *link) for invoice, order, _ in batch.added))
