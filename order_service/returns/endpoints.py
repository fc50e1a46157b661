"""Returns over HTTP: customers request them, staff decide; the inventory service receives the goods."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from contracts.permissions import Permission
from order_service.orders import queries as orders
from order_service.orders.lifecycle import TransitionRefused
from order_service.returns import queries, use_cases
from order_service.returns.models import (
    LineAmbiguous,
    MoreThanReturnable,
    Return,
    ReturnDecided,
    ReturnStatus,
    ReturnWindowOver,
)
from order_service.returns.schemas import RejectionIn, ReturnIn, ReturnOut, ReturnSummary
from service_kit import idempotency
from service_kit.database.keyset import Slice
from service_kit.database.summaries import shorten
from service_kit.http.idempotency import IdempotencyKey, replay, respond
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, Transaction
from service_kit.idempotency import IdempotencyKeyMissing, IdempotencyKeyReused
from service_kit.problems import NotFound, not_found
from service_kit.security import Principal, Requires

router = Router(tags=["returns"])

Requester = Annotated[Principal, Requires(Permission.RETURNS_WRITE)]
Reader = Annotated[Principal, Requires(Permission.RETURNS_READ)]
Decider = Annotated[Principal, Requires(Permission.RETURNS_DECIDE_ANY)]


@router.post(
    "/orders/{order_id}/returns",
    status_code=201,
    response_model=ReturnOut,
    summary="Request a return",
    responses=problems(
        NotFound,
        TransitionRefused,
        ReturnWindowOver,
        MoreThanReturnable,
        LineAmbiguous,
        IdempotencyKeyMissing,
        IdempotencyKeyReused,
    ),
)
async def request_return(
    order_id: UUID, body: ReturnIn, who: Requester, key: IdempotencyKey, tx: Transaction, request: Request
) -> Response:
    """Pieces that have arrived can be returned, in one return or several, until the return window is over; it begins
    when the last parcel has arrived. Staff may request returns for customers. Send the goods when staff have approved
    the return: their price is refunded when a warehouse has received them.

    Name a line by its position in the order, from 1; a product is enough if only one line has it."""
    if stored := await idempotency.claim(tx, who.user_id, key):
        return replay(stored)
    window = request.app.state.runtime.settings.return_window
    made = await use_cases.request_return(tx, order_id, body.wanted(), body.reason, window, who)
    return await respond(tx, who, key, 201, ReturnOut.of(made), f"/returns/{made.id}")


@router.get("/orders/{order_id}/returns", summary="List the returns of an order", responses=problems(NotFound))
async def list_of_order(order_id: UUID, page: PagedByTime, tx: Session, who: Reader) -> Page[ReturnSummary]:
    """Each with its first five lines, and the number of its lines."""
    await orders.find(tx, order_id, _seen_by(who))
    return await _page(tx, page, await queries.page(tx, page.position, order_id=order_id))


@router.get("/returns", summary="List returns")
async def list_all(
    page: PagedByTime,
    tx: Session,
    _: Annotated[Principal, Requires(Permission.RETURNS_READ_ANY)],
    status: Annotated[ReturnStatus | None, Query(description="`requested`: awaiting a decision")] = None,
    customer_id: Annotated[UUID | None, Query(description="only this customer's")] = None,
) -> Page[ReturnSummary]:
    """With `status=requested` and `sort=created_at`, those that have waited longest for a decision come first.

    Each with its first five lines, and the number of its lines.
    """
    return await _page(tx, page, await queries.page(tx, page.position, status=status, customer_id=customer_id))


@router.get("/returns/{return_id}", summary="Get a return", responses=problems(NotFound))
async def read(return_id: UUID, tx: Session, who: Reader) -> ReturnOut:
    """With the received pieces, and the amount that is refunded for them."""
    return ReturnOut.of(await queries.find(tx, return_id, _seen_by(who)) or not_found(Return, return_id))


@router.post("/returns/{return_id}/approve", summary="Approve a return", responses=problems(NotFound, ReturnDecided))
async def approve(return_id: UUID, tx: Transaction, who: Decider) -> ReturnOut:
    """Notifies the customer to send the goods, and the warehouses to expect them."""
    return ReturnOut.of(await use_cases.decide(tx, return_id, ReturnStatus.APPROVED, who, owner=None))


@router.post("/returns/{return_id}/reject", summary="Reject a return", responses=problems(NotFound, ReturnDecided))
async def reject(return_id: UUID, body: RejectionIn, tx: Transaction, who: Decider) -> ReturnOut:
    """Notifies the customer of the reason. Another return may be requested until the return window is over."""
    found = await use_cases.decide(
        tx, return_id, ReturnStatus.REJECTED, who, owner=None, rejection_reason=body.reason, note=body.note
    )
    return ReturnOut.of(found)


@router.post(
    "/returns/{return_id}/withdraw",
    summary="Withdraw a return",
    responses=problems(NotFound, ReturnDecided),
)
async def withdraw(return_id: UUID, tx: Transaction, who: Requester) -> ReturnOut:
    """Only the customer can withdraw it, until staff have decided."""
    return ReturnOut.of(await use_cases.decide(tx, return_id, ReturnStatus.WITHDRAWN, who, owner=who.user_id))


async def _page(tx: Session, page: PagedByTime, found: Slice[Return]) -> Page[ReturnSummary]:
    counts = await shorten(tx, found.rows)
    return page.of(found, lambda back: ReturnSummary.shortened(back, counts[back.id]))


def _seen_by(who: Principal) -> UUID | None:
    """The customer whose returns the caller may see; None: everybody's."""
    return None if who.may(Permission.RETURNS_READ_ANY) else who.user_id
