"""Invoices and credit notes over HTTP: as JSON, PDF and HTML, for their customer and for staff."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from contracts.permissions import Permission
from order_service.invoices import queries
from order_service.invoices.export import rows_of
from order_service.invoices.links import read_token
from order_service.invoices.models import Invoice, InvoiceLinkExpired, InvoiceLinkInvalid
from order_service.invoices.printed import paper_of
from order_service.invoices.schemas import InvoiceDetailOut, InvoiceOut
from order_service.orders import queries as orders
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.http.pagination import Page, Paged, PagedByTime
from service_kit.http.papers import PaperFormat, paper_answers, paper_response
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, database_of
from service_kit.http.streams import streamed
from service_kit.printing import Paper
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires
from service_kit.security.guard import PUBLIC

router = Router(tags=["invoices"])

Reader = Annotated[Principal, Requires(Permission.INVOICES_READ)]
Auditor = Annotated[Principal, Requires(Permission.INVOICES_READ_ANY)]
Since = Annotated[date | None, Query(description="the first day of issue (UTC)")]
Until = Annotated[date | None, Query(description="the last day of issue (UTC)")]
_CSV = "text/csv"


@router.get("/orders/{order_id}/invoices", summary="List the invoices of an order", responses=problems(NotFound))
async def list_of_order(order_id: UUID, page: Paged, tx: Session, who: Reader) -> Page[InvoiceOut]:
    """Its invoice, and a credit note for each refund. They are issued within seconds after the payment (or the first
    dispatch) and the refund, if the shop issues invoices."""
    await orders.find(tx, order_id, _seen_by(who))
    return page.of(await queries.page_of_order(tx, page.position, order_id), InvoiceOut.of)


@router.get("/invoices", summary="List invoices")
async def list_all(
    page: PagedByTime, tx: Session, _: Auditor, since: Since = None, until: Until = None
) -> Page[InvoiceOut]:
    """Invoices and credit notes of all customers that were issued in a period."""
    return page.of(await queries.page(tx, page.position, *_times(since, until)), InvoiceOut.of)


@router.get(
    "/invoices.csv",
    summary="Export invoices",
    response_class=StreamingResponse,
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
)
async def export(request: Request, _: Auditor, since: Since = None, until: Until = None) -> StreamingResponse:
    """A row for each tax rate of each invoice and credit note of a period, the earliest first. The amounts of credit
    notes are negative."""
    return await streamed(rows_of(database_of(request), *_times(since, until)), "invoices.csv", _CSV)


@router.get("/invoices/{number}", summary="Get an invoice", responses=problems(NotFound))
async def read(number: str, tx: Session, who: Reader) -> InvoiceDetailOut:
    """An invoice or a credit note, as it was issued."""
    invoice = await queries.find(tx, number, _seen_by(who))
    recipients = await queries.recipients(tx, [invoice.id])
    return InvoiceDetailOut.whole(invoice, recipients.get(invoice.id))


@router.get(
    "/invoices/{number}/pdf",
    summary="Get an invoice as PDF",
    response_class=Response,
    responses={**paper_answers(PaperFormat.PDF), **problems(NotFound)},
)
async def read_pdf(number: str, request: Request, who: Reader) -> Response:
    """For printing, and for the records. An invoice always has the same bytes, unless its recipient was erased."""
    return await paper_response(*await _found(request, number, who), PaperFormat.PDF)


@router.get(
    "/invoices/{number}/html",
    summary="Get an invoice as a page",
    response_class=Response,
    responses={**paper_answers(PaperFormat.HTML), **problems(NotFound)},
)
async def read_html(number: str, request: Request, who: Reader) -> Response:
    """A page without scripts, which can be printed."""
    return await paper_response(*await _found(request, number, who), PaperFormat.HTML)


@router.get(
    "/invoice-link",
    summary="Get an invoice by a mailed link",
    openapi_extra=PUBLIC,
    response_class=Response,
    responses={**paper_answers(), **problems(InvoiceLinkInvalid, InvoiceLinkExpired)},
)
async def read_by_link(
    request: Request,
    token: Annotated[str, Query(max_length=200, description="from the mail")],
    format: Annotated[PaperFormat, Query(description="a page, or a file for printing")] = PaperFormat.HTML,
) -> Response:
    """Without signing in: whoever has the link of the mail sees this one invoice, until the link expires."""
    secret = request.app.state.runtime.resource(Settings).invoice_link_secret
    if secret is None:
        raise InvoiceLinkInvalid
    id = read_token(token, utcnow(), secret.get_secret_value())
    async with database_of(request).session() as tx:
        invoice = await queries.get(tx, id)
        if invoice is None:
            raise InvoiceLinkInvalid
        paper = await _paper(tx, invoice)
    return await paper_response(paper, invoice.full_number, format)


def _seen_by(who: Principal) -> UUID | None:
    """The customer whose invoices the caller may see; None: everybody's."""
    return None if who.may(Permission.INVOICES_READ_ANY) else who.user_id


def _times(since: date | None, until: date | None) -> tuple[datetime | None, datetime | None]:
    """From the beginning of the first day to the end of the last."""
    beginning = datetime.combine(since, time(), UTC) if since else None
    end = datetime.combine(until, time(), UTC) + timedelta(days=1) if until and until < date.max else None
    return beginning, end


async def _found(request: Request, number: str, who: Principal) -> tuple[Paper, str]:
    """Not by the dependency, which would hold its connection while the document is rendered."""
    async with database_of(request).session() as tx:
        invoice = await queries.find(tx, number, _seen_by(who))
        return await _paper(tx, invoice), invoice.full_number


async def _paper(tx: Session, invoice: Invoice) -> Paper:
    recipients = await queries.recipients(tx, [invoice.id])
    return paper_of(invoice.content, recipients.get(invoice.id), invoice.issued_at)
