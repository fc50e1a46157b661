"""Deliveries over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from notification_service.deliveries import queries, use_cases
from notification_service.deliveries.models import DeliveryUnderWay, Status
from notification_service.deliveries.schemas import DeliveryOut
from service_kit.database.keyset import InvalidCursor
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/deliveries", tags=["deliveries"])


@router.get("", summary="List e-mails", responses=problems(InvalidCursor))
async def list_deliveries(
    page: PagedByTime,
    tx: Session,
    _: Annotated[Principal, Requires("deliveries:read")],
    status: Annotated[Status | None, Query(description="only e-mails with this status")] = None,
    customer_id: Annotated[UUID | None, Query(description="only e-mails to this customer")] = None,
) -> Page[DeliveryOut]:
    """Newest first. If an e-mail has failed or is withheld, `error` contains the reason."""
    return page.of(await queries.page(tx, status, customer_id, page.position), DeliveryOut.of)


@router.post(
    "/{id}/send",
    status_code=202,
    summary="Send an e-mail again",
    responses=problems(NotFound, DeliveryUnderWay),
)
async def send_delivery_again(
    id: UUID, tx: Session, _: Annotated[Principal, Requires("deliveries:send")]
) -> DeliveryOut:
    """Sends it to the present address of the recipient, with the same `Message-ID`, within about a second."""
    return DeliveryOut.of(await use_cases.send_again(tx, id))
