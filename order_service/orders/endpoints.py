"""Orders over HTTP."""

import asyncio
import re
from typing import Annotated
from uuid import UUID

from fastapi import Header, Request, Response

from order_service.orders import placing, placing_queries, queries, rendering_queries
from order_service.orders.placing import (
    CartChanged,
    CartEmpty,
    CustomerInactive,
    CustomerRequired,
    CustomerUnknown,
    EmailUnconfirmed,
    Placed,
)
from order_service.orders.rendering_queries import RenderedOrder
from order_service.orders.schemas import HistoryOut, LineOut, OrderIn, OrderOut
from order_service.orders.unpaid import TooManyUnpaidOrders, TooMuchHeldUnpaid
from order_service.orders.watch import OrderWatch
from order_service.pricing.promotions import PromotionUnusable
from order_service.pricing.quotes import OneCurrencyPerOrder, OrderTooLarge, PriceChanged, ProductUnavailable
from order_service.pricing.shipping import NoShippingThere, ShippingMethodUnavailable
from order_service.promotions.guesses import TooManyCodeGuesses
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.http.capacity import waiting
from service_kit.http.client import client_network
from service_kit.http.etag import NOT_MODIFIED, IfNoneMatch, is_known
from service_kit.http.hot_route import hot_route
from service_kit.http.idempotency import IdempotencyKey, replay
from service_kit.http.pagination import Page, Paged
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
            PromotionUnusable,
            TooManyCodeGuesses,
            NoShippingThere,
            ShippingMethodUnavailable,
            CartEmpty,
            CartChanged,
            CustomerRequired,
            CustomerUnknown,
            CustomerInactive,
            EmailUnconfirmed,
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
        str | None,
        Header(
            description="`wait=N` (RFC 7240): wait until stock, and a payment by token, is decided, N seconds at most"
        ),
    ] = None,
) -> Response:
    """The shop's catalogue sets the prices, never the caller. Stock is reserved afterwards, so the new order is
    `pending`; a `payment_token` is charged as soon as it is reserved. With `Prefer: wait=N` the response is the order
    after that: `awaiting_payment`, `rejected`, or with a token `paid` (`awaiting_payment` if the payment failed, needs
    an action of the customer, or takes longer). Staff may order for a customer, at agreed prices; API clients always
    order for a customer."""
    runtime: Runtime = request.app.state.runtime
    # Not the Connection dependency, which would hold the connection during the wait.
    async with runtime.database.connection() as connection:
        settings, network = runtime.resource(Settings), client_network(request)
        rules = runtime.resource(RulesHolder)
        placed = await placing.place(connection, body, key, who, settings, rules, network)
    if not isinstance(placed, Placed):
        return replay(placed)
    headers = {"Location": placed.location, "ETag": f'"{placed.order.version}"'}
    answer: bytes | str = placed.body
    if seconds := wait_of(prefer):
        with waiting(request) as may_wait:
            has_changed = may_wait and await runtime.resource(OrderWatch).decided(placed.order.id, seconds)
            if may_wait:
                headers["Preference-Applied"] = f"wait={seconds}"
        if has_changed:
            async with runtime.database.connection() as connection:
                shown = await placing_queries.show_again(
                    connection, placed.order.id, key, who.user_id, for_staff=is_staff(who)
                )
            answer, headers["ETag"] = shown.body, f'"{shown.tag}"'
    return Response(answer, 201, headers, media_type="application/json")


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
        Header(description="`wait=N` (RFC 7240) with `If-None-Match`: wait until it has changed, N seconds at most"),
    ] = None,
) -> Response:
    """With all its lines, and an `ETag` for a later change.

    With `If-None-Match` and `Prefer: wait=N` the response is delayed until the order differs from your version (`200`,
    with the current order), or N seconds have passed (`304`). Use it instead of polling, for example to wait until an
    order with a `payment_token` is paid.
    """
    runtime: Runtime = request.app.state.runtime
    owner = _seen_by(who)
    seconds = wait_of(prefer) if if_none_match else 0
    if seconds:
        shown, applied = await _changed(request, order_id, owner, if_none_match, seconds)
    else:
        async with runtime.database.connection() as connection:
            shown, applied = await rendering_queries.show(connection, order_id, owner, for_staff=owner is None), False
    headers = {"ETag": f'"{shown.tag}"', **({"Preference-Applied": f"wait={seconds}"} if applied else {})}
    if is_known(if_none_match, shown.tag):
        return Response(status_code=304, headers=headers)
    return Response(shown.body, headers=headers, media_type="application/json")


@router.get("/{order_id}/lines", summary="List the lines of an order", responses=problems(NotFound))
async def list_lines(
    order_id: UUID, tx: Session, page: Paged, who: Annotated[Principal, Requires("orders:read")]
) -> Page[LineOut]:
    """Sorted by their position in the order."""
    order, found = await queries.lines(tx, page.position, order_id, _seen_by(who))
    return page.of(found, lambda line: LineOut.of(line, order.currency))


@router.get("/{order_id}/history", summary="List the history of an order", responses=problems(NotFound))
async def read_history(
    order_id: UUID, tx: Session, page: Paged, who: Annotated[Principal, Requires("orders:read")]
) -> Page[HistoryOut]:
    """Its steps, the oldest first."""
    found = await queries.history(tx, page.position, order_id, _seen_by(who))
    for_staff = is_staff(who)
    return page.of(found, lambda entry: HistoryOut.of(entry, for_staff=for_staff))


def wait_of(prefer: str | None) -> int:
    """The seconds of `wait=N` in a `Prefer` header; 0 if it has none, since others are ignored (RFC 7240)."""
    found = WAIT.search(prefer or "")
    return min(int(found.group(1)), LONGEST_WAIT) if found else 0


def _seen_by(who: Principal) -> UUID | None:
    """The customer whose orders the caller may see; None: everybody's."""
    return None if is_staff(who) else who.user_id


def is_staff(who: Principal) -> bool:
    """Whether the caller may see notes and `stuck_reason`, which customers may not see."""
    return who.may("orders:read:any")


async def _changed(
    request: Request, order_id: UUID, owner: UUID | None, if_none_match: str | None, seconds: int
) -> tuple[RenderedOrder, bool]:
    """The order once it differs from the caller's version, or after `seconds`; and whether the process had capacity to
    wait."""
    runtime: Runtime = request.app.state.runtime
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    with runtime.resource(OrderWatch).waiting(
        order_id, lambda seen: seen.tag is None or not is_known(if_none_match, seen.tag)
    ) as waiter:
        while True:
            async with runtime.database.connection() as connection:
                shown = await rendering_queries.show(connection, order_id, owner, for_staff=owner is None)
            if not is_known(if_none_match, shown.tag):
                return shown, True
            with waiting(request) as may_wait:
                snapshot = await waiter.next_snapshot(ends - loop.time()) if may_wait else None
            if snapshot is None:
                return shown, may_wait
