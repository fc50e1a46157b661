"""Orders over HTTP."""

import re
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header, Query, Request, Response

from order_service.orders import listing, placing, use_cases
from order_service.orders.decisions import Decisions
from order_service.orders.models import Status, TransitionRefused
from order_service.orders.placing import CartChanged, CartEmpty, CustomerInactive, CustomerUnknown, Placed
from order_service.orders.pricing import OneCurrencyPerOrder, OrderTooLarge, PriceChanged, ProductUnavailable
from order_service.orders.schemas import CancelIn, HistoryOut, OrderIn, OrderOut, ShipToIn
from service_kit.database import HotTx, Tx
from service_kit.http.answers import problems
from service_kit.http.etag import IfMatch, set_etag
from service_kit.http.hot_route import hot_route
from service_kit.http.idempotency import (
    IdempotencyKey,
    IdempotencyKeyInUse,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    Key,
)
from service_kit.http.pagination import Page, Paged
from service_kit.http.router import Router
from service_kit.problems import Forbidden, NotFound, PreconditionFailed
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
            CustomerUnknown,
            CustomerInactive,
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
    `pending`. Staff may order for a customer, at agreed prices."""
    runtime: Runtime = request.app.state.runtime
    # Not the HotConn dependency: the connection goes back before the wait.
    async with runtime.database.hot() as connection:
        placed = await placing.place(connection, body, key, who, runtime.settings)  # type: ignore[arg-type]
    if not isinstance(placed, Placed):
        return placed.response()
    headers = {"Location": placed.location, "ETag": f'"{placed.order.version}"'}
    answer = placed.body
    if seconds := wait_of(prefer):
        headers["Preference-Applied"] = f"wait={seconds}"
        answer = await _decided(runtime, placed, who, key, seconds)
    return Response(answer, 201, headers, media_type="application/json")


@router.get("", summary="Orders: one's own, or for staff everybody's", responses=problems(Forbidden))
async def list_orders(
    tx: Tx,
    page: Paged,
    who: Annotated[Principal, Requires("orders:read")],
    status: Annotated[list[Status] | None, Query(max_length=len(Status), description="one or several")] = None,
    number: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="the short number")] = None,
    customer_id: Annotated[UUID | None, Query(description="staff: of this customer")] = None,
    standing_still: Annotated[bool | None, Query(description="those that wait for a machine for too long")] = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
) -> Page[OrderOut]:
    """The newest first, unless `sort` says otherwise."""
    wanted = listing.Wanted(
        user_id=customer_id if who.may("orders:read:any") else who.user_id,
        statuses=tuple(status or ()),
        number=number,
        standing_still=standing_still,
        descending=sort == "-created_at",
    )
    found, lines = await listing.orders(tx, page.position, wanted)
    return page.of(found, lambda order: OrderOut.of(order, lines[order.id]))


@router.get("/{order_id}", summary="One order", responses=problems(NotFound))
async def read_order(
    order_id: UUID, tx: Tx, response: Response, who: Annotated[Principal, Requires("orders:read")]
) -> OrderOut:
    """With an `ETag` for a later change."""
    order, lines = await listing.order(tx, order_id, None if who.may("orders:read:any") else who.user_id)
    set_etag(response, order.version)
    return OrderOut.of(order, lines)


@router.get("/{order_id}/history", summary="What became of it: who, when and why", responses=problems(NotFound))
async def read_history(
    order_id: UUID, tx: Tx, page: Paged, who: Annotated[Principal, Requires("orders:read")]
) -> Page[HistoryOut]:
    """The oldest first."""
    found = await listing.history(tx, page.position, order_id, None if who.may("orders:read:any") else who.user_id)
    return page.of(found, HistoryOut.of)


@router.patch(
    "/{order_id}",
    summary="Send it elsewhere",
    responses=problems(NotFound, TransitionRefused, PreconditionFailed),
)
async def change_ship_to(
    order_id: UUID,
    body: ShipToIn,
    tx: HotTx,
    response: Response,
    expected: IfMatch,
    who: Annotated[Principal, Requires("orders:write")],
) -> OrderOut:
    """Only until it is paid."""
    order = await use_cases.change_ship_to(tx, order_id, body.ship_to.model_dump(), expected, who)
    set_etag(response, order.version)
    return await listing.answer(tx, order_id)


@router.post(
    "/{order_id}/cancel",
    summary="Call it off",
    responses={202: {"model": OrderOut, "description": "inventory is asked whether a parcel has left already"},
               **problems(NotFound, TransitionRefused)},
)  # fmt: skip
async def cancel_order(
    order_id: UUID,
    tx: HotTx,
    response: Response,
    who: Annotated[Principal, Requires("orders:cancel")],
    body: CancelIn | None = None,
) -> OrderOut:
    """At once while it is not paid; a paid one is `cancelling` (`202`) until its stock is released or a parcel has
    left. What was paid goes back."""
    order = await use_cases.cancel(tx, order_id, body.reason if body else None, who)
    set_etag(response, order.version)
    response.status_code = 202 if order.status is Status.CANCELLING else 200
    return await listing.answer(tx, order_id)


def wait_of(prefer: str | None) -> int:
    """The seconds that a `Prefer` header asks to wait for; what can't be understood asks for nothing (RFC 7240)."""
    found = WAIT.search(prefer or "")
    return min(int(found.group(1)), LONGEST_WAIT) if found else 0


async def _decided(runtime: Runtime, placed: Placed, who: Principal, key: Key, seconds: int) -> bytes:
    decided = await runtime.resource(Decisions).wait(placed.order.id, seconds)
    if decided is None:
        return placed.body
    async with runtime.database.hot() as connection:
        return await placing.answer_decided(connection, placed, decided, who, key)
