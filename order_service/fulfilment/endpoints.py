"""Changing and cancelling orders over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from order_service.fulfilment import use_cases
from order_service.orders import rendering_queries
from order_service.orders.endpoints import is_staff
from order_service.orders.lifecycle import TransitionRefused
from order_service.orders.models import Status
from order_service.orders.rendering_queries import RenderedOrder
from order_service.orders.schemas import CancelIn, OrderOut, ShipToIn
from service_kit.http.etag import IfMatch
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Transaction
from service_kit.problems import Forbidden, NotFound, PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/orders", tags=["orders"])


@router.patch(
    "/{order_id}",
    summary="Change the shipping address",
    response_model=OrderOut,
    responses=problems(NotFound, TransitionRefused, PreconditionFailed),
)
async def change_ship_to(
    order_id: UUID,
    body: ShipToIn,
    tx: Transaction,
    expected: IfMatch,
    who: Annotated[Principal, Requires("orders:write")],
) -> Response:
    """Possible only until the order is paid."""
    await use_cases.change_ship_to(tx, order_id, body.ship_to.model_dump(), expected, who)
    return _written(await rendering_queries.show(tx, order_id, None, for_staff=is_staff(who)))


@router.post(
    "/{order_id}/cancel",
    summary="Cancel an order",
    response_model=OrderOut,
    responses={202: {"model": OrderOut, "description": "inventory must release the stock first"},
               **problems(NotFound, TransitionRefused, Forbidden)},
)  # fmt: skip
async def cancel_order(
    order_id: UUID,
    tx: Transaction,
    who: Annotated[Principal, Requires("orders:cancel")],
    body: CancelIn | None = None,
) -> Response:
    """An unpaid order is cancelled at once. A paid one is `cancelling` (`202`) until inventory has released its stock:
    then it is cancelled and refunded. If a parcel has left already, it is not cancelled. Customers see `reason`, only
    staff see `note`."""
    body = body or CancelIn()
    order = await use_cases.cancel(tx, order_id, body.reason, body.note, who)
    shown = await rendering_queries.show(tx, order_id, None, for_staff=is_staff(who))
    return _written(shown, 202 if order.status is Status.CANCELLING else 200)


def _written(shown: RenderedOrder, status: int = 200) -> Response:
    """The response to a command; the transaction commits before it is sent."""
    return Response(shown.body, status, {"ETag": f'"{shown.tag}"'}, media_type="application/json")
