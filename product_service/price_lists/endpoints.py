"""Price lists over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from product_service.price_lists import queries, use_cases
from product_service.price_lists.models import (
    ListState,
    PriceList,
    PriceListActive,
    PriceListEmpty,
    PriceListEnded,
    PriceListEntry,
    PriceListNotActive,
    ProductUnknown,
)
from product_service.price_lists.schemas import EntriesIn, EntryOut, PriceListChange, PriceListIn, PriceListOut
from product_service.products.prices import PriceEndsTooEarly
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import Principal, Requires

router = Router(prefix="/price-lists", tags=["price lists"])

Manager = Annotated[Principal, Requires("prices:manage")]


@router.post("", status_code=201, summary="Create a price list")
async def create_price_list(body: PriceListIn, tx: Session, _: Manager, response: Response) -> PriceListOut:
    """The list is a draft without prices: `PUT /price-lists/{list_id}/prices` adds them, and nothing applies before it
    is activated."""
    price_list = await use_cases.create(tx, body.model_dump())
    response.headers["Location"] = f"/price-lists/{price_list.id}"
    return tagged(response, PriceListOut.of(price_list), price_list.version)


@router.get("", summary="List price lists", responses=problems(InvalidCursor))
async def list_price_lists(
    tx: Session, page: Paged, _: Manager, state: Annotated[ListState | None, Query()] = None
) -> Page[PriceListOut]:
    """In the sequence of their creation."""
    return page.of(await queries.page(tx, page.position, state=state), PriceListOut.of)


@router.get("/{list_id}", summary="Get a price list", responses=problems(NotFound))
async def read_price_list(list_id: UUID, tx: Session, _: Manager, response: Response) -> PriceListOut:
    """With the progress of its activation or end, and an `ETag` for a later change."""
    price_list = await queries.find(tx, list_id) or not_found(PriceList, list_id)
    return tagged(response, PriceListOut.of(price_list), price_list.version)


@router.patch(
    "/{list_id}",
    summary="Change a price list",
    responses=problems(NotFound, PreconditionFailed, PriceListActive),
)
async def change_price_list(
    list_id: UUID, body: PriceListChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PriceListOut:
    """A draft can be changed in any way; of other lists only the name can."""
    price_list = await use_cases.change(tx, list_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, PriceListOut.of(price_list), price_list.version)


@router.delete(
    "/{list_id}",
    status_code=204,
    summary="Delete a draft of a price list",
    responses=problems(NotFound, PreconditionFailed, PriceListActive),
)
async def delete_price_list(list_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Deletes a draft with its prices. A list that was activated can only be ended."""
    await use_cases.delete(tx, list_id, expected)


@router.get("/{list_id}/prices", summary="List the prices of a price list", responses=problems(NotFound, InvalidCursor))
async def list_entries(list_id: UUID, tx: Session, page: Paged, _: Manager) -> Page[EntryOut]:
    """Sorted by product and quantity."""
    if await queries.find(tx, list_id) is None:
        not_found(PriceList, list_id)
    return page.of(await queries.entries(tx, list_id, page.position), EntryOut.of)


@router.put(
    "/{list_id}/prices",
    summary="Change the prices of a price list",
    responses=problems(NotFound, PreconditionFailed, PriceListActive, ProductUnknown),
)
async def put_entries(
    list_id: UUID, body: EntriesIn, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PriceListOut:
    """Adds, replaces or removes the named prices; the others stay. A list can have any number of them."""
    wanted = [
        (PriceListEntry(list_id=list_id, **{**each.model_dump(), "amount": each.amount or 0}), each.amount is None)
        for each in body.prices
    ]
    put = [entry for entry, is_removed in wanted if not is_removed]
    removed = [entry for entry, is_removed in wanted if is_removed]
    price_list = await use_cases.put_entries(tx, list_id, expected, put, removed)
    return tagged(response, PriceListOut.of(price_list), price_list.version)


@router.post(
    "/{list_id}/activate",
    summary="Activate a price list",
    responses=problems(NotFound, PreconditionFailed, PriceListEnded, PriceListEmpty, PriceEndsTooEarly),
)
async def activate_price_list(
    list_id: UUID, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PriceListOut:
    """A job schedules the prices, 500 products at a time; `done` shows its progress. Repeating this does nothing more.

    Of prices that start at the same moment, those of the list that was activated last apply.
    """
    price_list = await use_cases.activate(tx, list_id, expected)
    return tagged(response, PriceListOut.of(price_list), price_list.version)


@router.post(
    "/{list_id}/end",
    summary="End a price list",
    responses=problems(NotFound, PreconditionFailed, PriceListNotActive),
)
async def end_price_list(list_id: UUID, expected: IfMatch, tx: Session, _: Manager, response: Response) -> PriceListOut:
    """A job ends the prices that the list has, 500 products at a time, also while it is still being activated: no
    further prices are scheduled then. Repeating this does nothing more."""
    price_list = await use_cases.end(tx, list_id, expected)
    return tagged(response, PriceListOut.of(price_list), price_list.version)
