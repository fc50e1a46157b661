"""The inbox over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from notification_service.notifications import queries, use_cases
from notification_service.notifications.schemas import MarkedOut, NotificationOut, NotificationPage
from service_kit.database.keyset import InvalidCursor
from service_kit.http.pagination import PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import Forbidden, NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/notifications", tags=["notifications"])
READ_ANY = "notifications:read:any"


@router.get("", summary="List my notifications", responses=problems(InvalidCursor, Forbidden))
async def list_notifications(
    page: PagedByTime,
    tx: Session,
    who: Annotated[Principal, Requires("notifications:read")],
    unread: Annotated[bool | None, Query(description="true: only unread ones; false: only read ones")] = None,
    order_id: Annotated[UUID | None, Query(description="only notifications about this order")] = None,
    customer_id: Annotated[
        UUID | None, Query(description="default: the caller; others need `notifications:read:any`")
    ] = None,
) -> NotificationPage:
    """Newest first, with the number of unread ones.

    With `notifications:read:any`, an `order_id` without a `customer_id` lists all notifications of that order.
    """
    if customer_id not in (None, who.user_id) and not who.may(READ_ANY):
        raise Forbidden(permission=READ_ANY)
    of_anyone = customer_id is None and order_id is not None and who.may(READ_ANY)
    visible = queries.visible(None if of_anyone else customer_id or who.user_id, order_id)
    found = page.of(await queries.page(tx, visible, unread, page.position), NotificationOut.of)
    return NotificationPage(items=found.items, next=found.next, unread=await queries.count_unread(tx, visible))


@router.post("/read-all", summary="Mark all my notifications as read")
async def mark_all_notifications_read(
    tx: Session, who: Annotated[Principal, Requires("notifications:write")]
) -> MarkedOut:
    """Marks all notifications that have arrived so far. Repeating the request is safe."""
    return MarkedOut(marked=await queries.mark_all_read(tx, who.user_id))


@router.post("/{id}/read", summary="Mark a notification as read", responses=problems(NotFound))
async def mark_notification_read(
    id: UUID, tx: Session, who: Annotated[Principal, Requires("notifications:write")]
) -> NotificationOut:
    """`read_at` is the time when it was first marked as read."""
    return NotificationOut.of(await use_cases.mark_read(tx, id, who.user_id))
