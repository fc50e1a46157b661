"""Orders over HTTP."""

import asyncio
import re
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Request, Response

from order_service.orders import placing, queries
from order_service.orders.models import Status
from order_service.orders.placing import (
    CartChanged,
    CartEmpty,
    CustomerInactive,
    CustomerRequired,
    CustomerUnknown,
    Placed,
    TooManyUnpaidOrders,
    TooMuchHeldUnpaid,
)
from order_service.orders.queries import OrderSnapshot, RenderedOrder
from order_service.orders.schemas import HistoryOut, LineOut, OrderIn, OrderOut, OrderSummary
from order_service.orders.watch import OrderWatch
from order_service.pricing.quotes import OneCurrencyPerOrder, OrderTooLarge, PriceChanged, ProductUnavailable
from order_service.settings import Settings
from service_kit.http.capacity import waiting
from service_kit.http.client import client_network
from service_kit.http.etag import NOT_MODIFIED, IfNoneMatch, is_known
from service_kit.http.hot_route import hot_route
from service_kit.http.idempotency import IdempotencyKey, replay
from service_kit.http.pagination import Page, Paged, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.idempotency import IdempotencyKeyInUse, IdempotencyKeyMissing, IdempotencyKeyReused
from service_kit.problems import Forbidden, NotFound
from service_kit.runtime import Runtime
from service_kit.security import Principal, Requires

router = Router(prefix="/orders", tags=["orders"])

LONGEST_WAIT = 30
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)


@hot_route(
    router,
    "POST",
    "",
    status_code=201,
    summary="Place an order",
    response_model=OrderOut,
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **problems(
            ProductUnavailable,
            PriceChanged,
            OneCurrencyPerOrder,
            OrderTooLarge,
            CartEmpty,
            CartChanged,
            CustomerRequired,
            CustomerUnknown,
            CustomerInactive,
            TooManyUnpaidOrders,
            TooMuchHeldUnpaid,
            IdempotencyKeyInUse,
            IdempotencyKeyMissing,
            IdempotencyKeyReused,
            Forbidden,
        ),
    },
)
async def place_order(
    body: OrderIn,
    who: Annotated[Principal, Requires("orders:write")],
    key: IdempotencyKey,
    request: Request,
    prefer: Annotated[
        str | None, Header(description="`wait=N` (RFC 7240): answer when stock is decided, in N seconds at most")
    ] = None,
) -> Response:
    """Priced by the shop's catalogue, never by the caller; stock is reserved afterwards, so that the new order is
    `pending`. Staff may order for a customer, at agreed prices; API clients order for a customer only."""
    runtime: Runtime = request.app.state.runtime
    # Not the Connection dependency: the connection goes back before the wait.
    async with runtime.database.connection() as connection:
        settings, network = runtime.resource(Settings), client_network(request)
        placed = await placing.place(connection, body, key, who, settings, network)
    if not isinstance(placed, Placed):
        return replay(placed)
    headers = {"Location": placed.location, "ETag": f'"{placed.order.version}"'}
    answer = placed.body
    if seconds := wait_of(prefer):
        with waiting(request) as may_wait:
            decided = await _decided(runtime, placed, seconds) if may_wait else None
            if may_wait:
                headers["Preference-Applied"] = f"wait={seconds}"
        if decided:
            headers["ETag"] = f'"{decided.version}"'
            async with runtime.database.connection() as connection:
                answer = await placing.answer_decided(connection, placed, decided, who, key)
    return Response(answer, 201, headers, media_type="application/json")


@router.get("", summary="List orders", responses=problems(Forbidden))
async def list_orders(
    tx: Session,
    page: PagedByTime,
    who: Annotated[Principal, Requires("orders:read")],
    status: Annotated[list[Status] | None, Query(max_length=len(Status), description="one or several")] = None,
    number: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="the short number")] = None,
    customer_id: Annotated[UUID | None, Query(description="staff: of this customer")] = None,
    stuck: Annotated[bool | None, Query(description="staff: those that wait for another service for too long")] = None,
) -> Page[OrderSummary]:
    """Of each order the first five lines, and how many it has."""
    if stuck is not None and not is_staff(who):
        raise Forbidden(permission="orders:read:any")
    wanted = queries.Wanted(
        customer_id=customer_id if who.may("orders:read:any") else who.user_id,
        statuses=tuple(status or ()),
        number=number,
        stuck=stuck,
    )
    found, first = await queries.search(tx, page.position, wanted)
    for_staff = is_staff(who)
    return page.of(found, lambda order: OrderSummary.of(order, *first[order.id], for_staff=for_staff))


@hot_route(
    router,
    "GET",
    "/{order_id}",
    summary="Get an order",
    response_model=OrderOut,
    responses={**problems(NotFound), **NOT_MODIFIED},
)
async def read_order(
    order_id: UUID,
    request: Request,
    who: Annotated[Principal, Requires("orders:read")],
    if_none_match: IfNoneMatch = None,
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=N` (RFC 7240) with `If-None-Match`: answer when it has changed, in N seconds at most"
        ),
    ] = None,
) -> Response:
    """With all its lines, and an `ETag` for a later change.

    With `If-None-Match` and `Prefer: wait=N` the answer is held until the order differs from what you have: then `200`
    with the order as it is now, or `304` when N seconds have passed. So wait for the payment of an order that came with
    a `payment_token`, instead of asking again and again.
    """
    runtime: Runtime = request.app.state.runtime
    owner = _seen_by(who)
    seconds = wait_of(prefer) if if_none_match else 0
    if seconds:
        shown, applied = await _changed(request, order_id, owner, if_none_match, seconds)
    else:
        async with runtime.database.connection() as connection:
            shown, applied = await queries.show(connection, order_id, owner, for_staff=owner is None), False
    headers = {"ETag": f'"{shown.tag}"', **({"Preference-Applied": f"wait={seconds}"} if applied else {})}
    if is_known(if_none_match, shown.tag):
        return Response(status_code=304, headers=headers)
    return Response(shown.body, headers=headers, media_type="application/json")


@router.get("/{order_id}/lines", summary="List the lines of an order", responses=problems(NotFound))
async def list_lines(
    order_id: UUID, tx: Session, page: Paged, who: Annotated[Principal, Requires("orders:read")]
) -> Page[LineOut]:
    """In the order in which they were ordered."""
    order, found = await queries.lines(tx, page.position, order_id, _seen_by(who))
    return page.of(found, lambda line: LineOut.of(line, order.currency))


@router.get("/{order_id}/history", summary="List the history of an order", responses=problems(NotFound))
async def read_history(
    order_id: UUID, tx: Session, page: Paged, who: Annotated[Principal, Requires("orders:read")]
) -> Page[HistoryOut]:
    """The oldest first."""
    found = await queries.history(tx, page.position, order_id, _seen_by(who))
    for_staff = is_staff(who)
    return page.of(found, lambda entry: HistoryOut.of(entry, for_staff=for_staff))


def wait_of(prefer: str | None) -> int:
    """The seconds that a `Prefer` header asks to wait for; what can't be understood asks for nothing (RFC 7240)."""
    found = WAIT.search(prefer or "")
    return min(int(found.group(1)), LONGEST_WAIT) if found else 0


def _seen_by(who: Principal) -> UUID | None:
    """Whose orders they may see; None: everybody's."""
    return None if is_staff(who) else who.user_id


def is_staff(who: Principal) -> bool:
    """Whether they see what is not for customers: notes, and what an order waits for."""
    return who.may("orders:read:any")


async def _decided(runtime: Runtime, placed: Placed, seconds: int) -> OrderSnapshot | None:
    """How the order stands when its stock is decided; None: it was not within `seconds`."""
    with runtime.resource(OrderWatch).waiting(placed.order.id, lambda seen: seen.status != Status.PENDING) as waiter:
        return await waiter.next_snapshot(seconds)


async def _changed(
    request: Request, order_id: UUID, owner: UUID | None, if_none_match: str | None, seconds: int
) -> tuple[RenderedOrder, bool]:
    """The order when it differs from what the caller has, or as it is when `seconds` have passed; and whether there was
    a place to wait for that."""
    runtime: Runtime = request.app.state.runtime
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    with runtime.resource(OrderWatch).waiting(
        order_id, lambda seen: seen.tag is None or not is_known(if_none_match, seen.tag)
    ) as waiter:
        while True:
            async with runtime.database.connection() as connection:
                shown = await queries.show(connection, order_id, owner, for_staff=owner is None)
            if not is_known(if_none_match, shown.tag):
                return shown, True
            with waiting(request) as may_wait:
                snapshot = await waiter.next_snapshot(ends - loop.time()) if may_wait else None
            if snapshot is None:
                return shown, may_wait
