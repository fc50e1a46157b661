"""The HTTP endpoints of returns."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from inventory_service import records
from inventory_service.returns import use_cases
from inventory_service.returns.models import (
    MoreThanExpected,
    NothingCame,
    Return,
    ReturnEnded,
    ReturnReceivedOtherwise,
    ReturnStatus,
)
from inventory_service.returns.schemas import ReceiveIn, ReturnOut, ReturnSummary
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, Transaction
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/returns", tags=["returns"])

Reader = Annotated[Principal, Requires("returns:read:any")]


@router.get("", summary="List returns")
async def list_returns(
    page: PagedByTime,
    tx: Session,
    _: Reader,
    order_id: Annotated[UUID | None, Query(description="only of this order")] = None,
    status: Annotated[ReturnStatus | None, Query(description="`expected`: not received yet")] = None,
) -> Page[ReturnSummary]:
    """Returns that staff have approved, each with its first five lines and the number of all."""
    found, counts = await records.shortened_page(tx, page.position, Return, order_id=order_id, status=status)
    return page.of(found, lambda back: ReturnSummary.of(back, line_count=counts[back.id]))


@router.get("/{return_id}", summary="Get a return", responses=problems(NotFound))
async def read_return(return_id: UUID, tx: Session, _: Reader) -> ReturnOut:
    """Each line has the number of pieces that are expected, and the number that arrived."""
    return ReturnOut.of(await records.read(tx, Return, return_id))


@router.post(
    "/{return_id}/receive",
    summary="Receive a return",
    responses=problems(NotFound, NothingCame, MoreThanExpected, ReturnReceivedOtherwise, ReturnEnded),
)
async def receive(
    return_id: UUID, body: ReceiveIn, tx: Transaction, who: Annotated[Principal, Requires("returns:receive")]
) -> ReturnOut:
    """Books the pieces that have arrived, into stock or as scrap: once, and never more than were approved. The customer
    is refunded the price of the received pieces.

    Repeating the request gives the same response and has no further effect.
    """
    found = await use_cases.receive(
        tx, return_id, body.warehouse_id, body.received_quantities(), body.dates(), who.user_id
    )
    return ReturnOut.of(found)


@router.post("/{return_id}/close", summary="Close a missing return", responses=problems(NotFound, ReturnEnded))
async def close(return_id: UUID, tx: Transaction, who: Annotated[Principal, Requires("returns:receive")]) -> ReturnOut:
    """The return is no longer expected, it is not refunded, and the customer is notified. A return that has not arrived
    for a long time is closed automatically. Repeating the request has no further effect."""
    return ReturnOut.of(await use_cases.close(tx, return_id, who.user_id))
