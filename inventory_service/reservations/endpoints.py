"""The HTTP endpoints of reservations. Staff can only read them: the order service makes and releases them by events."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from inventory_service import records
from inventory_service.reservations import queries
from inventory_service.reservations.models import Reservation, ReservationStatus
from inventory_service.reservations.schemas import ReservationOut, ReservationSummary
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/reservations", tags=["reservations"])

Reader = Annotated[Principal, Requires("reservations:read")]


@router.get("", summary="List reservations")
async def list_reservations(
    page: PagedByTime,
    tx: Session,
    _: Reader,
    status: Annotated[ReservationStatus | None, Query(description="`reserved`: of unpaid orders")] = None,
) -> Page[ReservationSummary]:
    """Sorted by order, the newest first, without their lines."""
    found = await records.page(tx, page.position, Reservation, Reservation.order_id, status=status)
    return page.of(found, ReservationSummary.of)


@router.get("/{order_id}", summary="Get the reservation of an order", responses=problems(NotFound))
async def read_reservation(order_id: UUID, tx: Session, _: Reader) -> ReservationOut:
    """Each line has its warehouse. Lines that were released or dispatched are not included."""
    reservation = await records.read(tx, Reservation, order_id)
    return ReservationOut.with_lines(reservation, await queries.lines_of(tx, order_id))
