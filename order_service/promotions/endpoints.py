"""Promotions over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from order_service.promotions import queries, use_cases
from order_service.promotions.models import (
    CodesNotAllowed,
    CodeTaken,
    LimitBelowUsed,
    Promotion,
    PromotionActive,
    PromotionEnded,
    PromotionNotActive,
    PromotionNotDraft,
    PromotionStatus,
    TooManyPromotions,
)
from order_service.promotions.schemas import (
    CodeOut,
    CodesIn,
    CodesMade,
    PromotionChange,
    PromotionIn,
    PromotionOut,
    RedemptionOut,
    UsesOut,
)
from service_kit.csv_lines import csv_lines
from service_kit.database import Database
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, database_of
from service_kit.http.streams import streamed
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import Principal, Requires

router = Router(prefix="/promotions", tags=["promotions"])

Manager = Annotated[Principal, Requires("promotions:manage")]
CSV_ROWS = 1000
"""How many codes of an export are read at once."""


@router.post("", status_code=201, summary="Create a promotion", responses=problems(CodeTaken))
async def create_promotion(body: PromotionIn, tx: Session, _: Manager, response: Response) -> PromotionOut:
    """The promotion is a draft: it applies to no order before it is activated. It applies to orders without a code if
    it is `automatic`, otherwise to orders with its `code`, or with one of those that are made afterwards."""
    promotion = await use_cases.create(tx, body.columns())
    response.headers["Location"] = f"/promotions/{promotion.id}"
    return tagged(response, PromotionOut.of(promotion), promotion.version)


@router.get("", summary="List promotions", responses=problems(InvalidCursor))
async def list_promotions(
    tx: Session,
    page: PagedByTime,
    _: Manager,
    status: Annotated[PromotionStatus | None, Query(description="only those with this status")] = None,
) -> Page[PromotionOut]:
    """Sorted by creation."""
    return page.of(await queries.page(tx, page.position, status), PromotionOut.of)


@router.get("/{promotion_id}", summary="Get a promotion", responses=problems(NotFound))
async def read_promotion(promotion_id: UUID, tx: Session, _: Manager, response: Response) -> PromotionOut:
    """One promotion, with an `ETag` for a later change."""
    promotion = await queries.find(tx, promotion_id) or not_found(Promotion, promotion_id)
    return tagged(response, PromotionOut.of(promotion), promotion.version)


@router.patch(
    "/{promotion_id}",
    summary="Change a promotion",
    responses=problems(
        NotFound, PreconditionFailed, PromotionActive, PromotionEnded, CodeTaken, CodesNotAllowed, LimitBelowUsed
    ),
)
async def change_promotion(
    promotion_id: UUID, body: PromotionChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PromotionOut:
    """A draft can be changed in any way. Of an active promotion, `name`, `ends_at`, `priority` and the values of its
    limits can be changed. The limit can't be lowered below the number of orders that have used it."""
    promotion = await use_cases.change(tx, promotion_id, expected, body.columns())
    return tagged(response, PromotionOut.of(promotion), promotion.version)


@router.delete(
    "/{promotion_id}",
    status_code=204,
    summary="Delete a draft of a promotion",
    responses=problems(NotFound, PreconditionFailed, PromotionNotDraft),
)
async def delete_promotion(promotion_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Deletes a draft with its codes. A promotion that was active can only be ended."""
    await use_cases.delete(tx, promotion_id, expected)


@router.post(
    "/{promotion_id}/activate",
    summary="Activate a promotion",
    responses=problems(NotFound, PreconditionFailed, PromotionEnded, TooManyPromotions),
)
async def activate_promotion(
    promotion_id: UUID, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PromotionOut:
    """Orders that are placed from now on can use it, or from `starts_at` on. One that is active stays as it is."""
    promotion = await use_cases.activate(tx, promotion_id, expected)
    return tagged(response, PromotionOut.of(promotion), promotion.version)


@router.post(
    "/{promotion_id}/end",
    summary="End a promotion",
    responses=problems(NotFound, PreconditionFailed, PromotionNotActive),
)
async def end_promotion(
    promotion_id: UUID, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PromotionOut:
    """No order that is placed from now on can use it, and it can't be activated again. Orders that were placed keep
    what it took off. One that has ended stays as it is."""
    promotion = await use_cases.end(tx, promotion_id, expected)
    return tagged(response, PromotionOut.of(promotion), promotion.version)


@router.post(
    "/{promotion_id}/codes",
    status_code=201,
    summary="Create codes of a promotion",
    responses=problems(NotFound, PromotionEnded, CodesNotAllowed),
)
async def make_codes(promotion_id: UUID, body: CodesIn, tx: Session, _: Manager) -> CodesMade:
    """Makes random codes that nobody can guess, for example one for each reader of a newsletter. Each has a limit of
    its own; the limits of the promotion count too."""
    found = await use_cases.make_codes(tx, promotion_id, body.count, body.prefix, body.limit_per_code)
    return CodesMade(codes=found)


@router.get(
    "/{promotion_id}/codes", summary="List the codes of a promotion", responses=problems(NotFound, InvalidCursor)
)
async def list_codes(promotion_id: UUID, tx: Session, page: Paged, _: Manager) -> Page[CodeOut]:
    """Sorted by code, including the one that all customers share."""
    await _check_exists(tx, promotion_id)
    return page.of(await queries.codes(tx, page.position, promotion_id), lambda code: CodeOut.of(code, limit=code.most))


@router.get(
    "/{promotion_id}/codes.csv",
    summary="Export the codes of a promotion",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **problems(NotFound)},
)
async def export_codes(promotion_id: UUID, tx: Session, _: Manager, request: Request) -> StreamingResponse:
    """All codes as CSV with the columns `code`, `used` and `limit` (empty: none of its own)."""
    await _check_exists(tx, promotion_id)
    return await streamed(_csv(database_of(request), promotion_id), "codes.csv", "text/csv")


@router.get(
    "/{promotion_id}/redemptions",
    summary="List the redemptions of a promotion",
    responses=problems(NotFound, InvalidCursor),
)
async def list_redemptions(promotion_id: UUID, tx: Session, page: Paged, _: Manager) -> Page[RedemptionOut]:
    """The orders that were placed with one of its codes, the oldest first. A use is released once, when its order is
    rejected, cancelled or expires."""
    await _check_exists(tx, promotion_id)
    return page.of(await queries.redemptions(tx, page.position, promotion_id), RedemptionOut.of)


@router.get("/{promotion_id}/uses", summary="Count the uses of a promotion", responses=problems(NotFound))
async def count_uses(promotion_id: UUID, tx: Session, _: Manager) -> UsesOut:
    """Counts the orders with its codes. Orders with an automatic promotion are not counted."""
    await _check_exists(tx, promotion_id)
    return UsesOut.of(await queries.uses(tx, promotion_id))


async def _check_exists(tx: Session, promotion_id: UUID) -> None:
    if await queries.find(tx, promotion_id) is None:
        not_found(Promotion, promotion_id)


async def _csv(database: Database, promotion_id: UUID) -> AsyncIterator[str]:
    yield csv_lines([("code", "used", "limit")])
    after = ""
    while True:
        async with database.connection() as connection:
            rows = await queries.codes_after(connection, promotion_id, after, CSV_ROWS)
        yield csv_lines(rows)
        if len(rows) < CSV_ROWS:
            return
        after = rows[-1][0]
