"""The list of orders, and its export, over HTTP."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import StreamingResponse

from contracts.permissions import Permission
from order_service.orders.endpoints import is_staff
from order_service.orders.schemas import OrderSummary
from order_service.search import export, queries
from order_service.search.models import Wanted
from order_service.search.schemas import CurrencyNeeded, wanted
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, database_of
from service_kit.http.streams import streamed
from service_kit.problems import Forbidden
from service_kit.security import Principal, Requires

router = Router(prefix="/orders", tags=["orders"])
Filters = Annotated[Wanted, Depends(wanted)]


@router.get("", summary="List orders", responses=problems(Forbidden, CurrencyNeeded))
async def list_orders(
    tx: Session, page: PagedByTime, who: Annotated[Principal, Requires(Permission.ORDERS_READ)], filters: Filters
) -> Page[OrderSummary]:
    """Each with its first five lines, and the number of its lines. Customers list their own orders, by `status` and
    `number`; staff all orders that meet all filters. By name (of a recipient), country and amount, an order is found a
    few seconds after it was placed."""
    for_staff = is_staff(who)
    if filters.is_for_staff and not for_staff:
        raise Forbidden(permission=Permission.ORDERS_READ_ANY)
    found, first = await queries.search(tx, page.position, filters if for_staff else filters.only_of(who.user_id))
    return page.of(found, lambda order: OrderSummary.of(order, *first[order.id], for_staff=for_staff))


@router.get(
    "/export",
    summary="Export orders as CSV",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "CSV (RFC 4180) in UTF-8"},
        **problems(CurrencyNeeded),
    },
)
async def export_orders(
    request: Request, _: Annotated[Principal, Requires(Permission.ORDERS_EXPORT_ANY)], filters: Filters
) -> StreamingResponse:
    """A header, and a row for each line of the orders that meet all filters and were placed before the request, the
    oldest first. Amounts are integers in the minor unit of `currency`; `order_total` is repeated in each row of an
    order. A text that a spreadsheet would execute begins with an apostrophe.

    The export is not of one moment: an order that changes meanwhile is exported as it is when its part is read.
    """
    return await streamed(export.chunks(database_of(request), filters), "orders.csv", "text/csv")
