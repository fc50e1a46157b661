"""Notes and tags over HTTP, for staff."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from contracts.permissions import Permission
from order_service.annotations import queries, use_cases
from order_service.annotations.schemas import NoteIn, NoteOut, TagsIn, TagsOut
from order_service.orders import queries as orders
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/orders/{order_id}", tags=["notes and tags"])
Reader = Annotated[Principal, Requires(Permission.ORDERS_READ_ANY)]
Writer = Annotated[Principal, Requires(Permission.ORDERS_WRITE_ANY)]


@router.get("/tags", summary="Get the tags of an order", responses=problems(NotFound))
async def read_tags(order_id: UUID, tx: Session, _: Reader, response: Response) -> TagsOut:
    """With an `ETag` for a later change. Customers see no tags."""
    found = await use_cases.tags_of(tx, order_id)
    return tagged(response, TagsOut(tags=found.tags), found.version)


@router.put("/tags", summary="Replace the tags of an order", responses=problems(NotFound, PreconditionFailed))
async def set_tags(
    order_id: UUID, body: TagsIn, tx: Session, _: Writer, expected: IfMatch, response: Response
) -> TagsOut:
    """Replaces all tags. `GET /orders?tag=` finds the order by each of them. The order's own version and `ETag` don't
    change."""
    found = await use_cases.set_tags(tx, order_id, body.tags, expected)
    return tagged(response, TagsOut(tags=found.tags), found.version)


@router.post("/notes", status_code=201, summary="Add a note to an order", responses=problems(NotFound))
async def add_note(order_id: UUID, body: NoteIn, tx: Session, who: Writer) -> NoteOut:
    """For staff: customers don't see notes, and no event or export of their data contains them. Notes are not changed,
    and are deleted when the customer's account is erased."""
    return NoteOut.of(await use_cases.add_note(tx, order_id, body.text, who.user_id))


@router.get("/notes", summary="List the notes of an order", responses=problems(NotFound))
async def list_notes(order_id: UUID, page: PagedByTime, tx: Session, _: Reader) -> Page[NoteOut]:
    """Those that were added by `POST`, and not the notes of its history and refunds."""
    await orders.find(tx, order_id, None)
    return page.of(await queries.notes(tx, page.position, order_id), NoteOut.of)
