"""Drafts over HTTP, for staff."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from order_service.drafts import queries, use_cases
from order_service.drafts.models import Draft, DraftNotOpen, DraftStatus
from order_service.drafts.schemas import DraftChangeIn, DraftIn, DraftOut, DraftPlacingIn, DraftSummary
from order_service.orders.placing import CustomerInactive, CustomerUnknown, Placed
from order_service.orders.schemas import OrderOut
from order_service.pricing.promotions import PromotionUnusable
from order_service.pricing.quotes import OneCurrencyPerOrder, OrderTooLarge, PriceChanged, ProductUnavailable
from order_service.pricing.shipping import NoShippingThere, ShippingMethodUnavailable
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.idempotency import IdempotencyKey, replay
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session, Transaction
from service_kit.idempotency import IdempotencyKeyInUse, IdempotencyKeyMissing, IdempotencyKeyReused
from service_kit.problems import Busy, Forbidden, NotFound, PreconditionFailed
from service_kit.runtime import Runtime
from service_kit.security import Principal, Requires

router = Router(prefix="/drafts", tags=["drafts"])

Manager = Annotated[Principal, Requires("drafts:manage")]
PLACING_PROBLEMS = (
    ProductUnavailable,
    PriceChanged,
    OneCurrencyPerOrder,
    OrderTooLarge,
    PromotionUnusable,
    NoShippingThere,
    ShippingMethodUnavailable,
    CustomerUnknown,
    CustomerInactive,
    Busy,
)


@router.post(
    "",
    status_code=201,
    summary="Create a draft",
    responses=problems(Forbidden, CustomerUnknown, CustomerInactive),
)
async def create_draft(body: DraftIn, tx: Transaction, who: Manager, request: Request, response: Response) -> DraftOut:
    """Prepares an order for a customer. Nothing is reserved, and no price is promised but agreed ones, which need
    `orders:agree-price`. It is dropped after `ORDER_DRAFT_EXPIRES_WITHIN`, unless it is placed before."""
    runtime: Runtime = request.app.state.runtime
    draft = await use_cases.create(tx, body, who, runtime.resource(Settings))
    response.headers["Location"] = f"/drafts/{draft.id}"
    return await _shown(tx, draft, request, response)


@router.get("", summary="List drafts", responses=problems(InvalidCursor))
async def list_drafts(
    tx: Session,
    page: PagedByTime,
    _: Manager,
    status: Annotated[DraftStatus | None, Query(description="only these")] = None,
    customer_id: Annotated[UUID | None, Query(description="only this customer's")] = None,
) -> Page[DraftSummary]:
    """Of all customers, without what is in them."""
    return page.of(await queries.page(tx, page.position, status=status, customer_id=customer_id), DraftSummary.of)


@router.get("/{draft_id}", summary="Get a draft", responses=problems(NotFound))
async def read_draft(
    draft_id: UUID, connection: Connection, _: Manager, request: Request, response: Response
) -> DraftOut:
    """With what it would cost now; `problems` says why it could not be placed. The `ETag` is for a later change."""
    return await _shown(connection, await queries.find(connection, draft_id), request, response)


@router.put(
    "/{draft_id}", summary="Change a draft", responses=problems(NotFound, PreconditionFailed, DraftNotOpen, Forbidden)
)
async def change_draft(
    draft_id: UUID,
    body: DraftChangeIn,
    tx: Transaction,
    expected: IfMatch,
    who: Manager,
    request: Request,
    response: Response,
) -> DraftOut:
    """Replaces all that is in it. The customer and the time of expiry stay."""
    return await _shown(tx, await use_cases.change(tx, draft_id, body, expected, who), request, response)


@router.delete(
    "/{draft_id}",
    status_code=204,
    summary="Discard a draft",
    responses=problems(NotFound, PreconditionFailed, DraftNotOpen),
)
async def drop_draft(draft_id: UUID, tx: Transaction, expected: IfMatch, _: Manager) -> None:
    """It stays in the list as `dropped`, and can't be placed any more, nor paid by a link."""
    await use_cases.drop(tx, draft_id, expected)


@router.post(
    "/{draft_id}/order",
    status_code=201,
    summary="Place a draft as an order",
    response_model=OrderOut,
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **problems(
            NotFound,
            PreconditionFailed,
            DraftNotOpen,
            *PLACING_PROBLEMS,
            IdempotencyKeyInUse,
            IdempotencyKeyMissing,
            IdempotencyKeyReused,
        ),
    },
)
async def place_draft(
    draft_id: UUID,
    who: Manager,
    key: IdempotencyKey,
    expected: IfMatch,
    request: Request,
    body: DraftPlacingIn | None = None,
) -> Response:
    """The order costs what it costs by the prices and rules of this moment, with the draft's agreed prices. A draft
    becomes one order, whoever places it how often; limits on unpaid orders don't apply to it."""
    runtime: Runtime = request.app.state.runtime
    total = body.expected_total if body else None
    placed = await use_cases.place(runtime, draft_id, key, who.user_id, expected, total)
    if not isinstance(placed, Placed):
        return replay(placed)
    headers = {"Location": placed.location, "ETag": f'"{placed.order.version}"'}
    return Response(placed.body, 201, headers, media_type="application/json")


async def _shown(db: Connection | Transaction, draft: Draft, request: Request, response: Response) -> DraftOut:
    runtime: Runtime = request.app.state.runtime
    preferred = runtime.resource(Settings).default_currency
    quote, found = await use_cases.quote(db, draft, runtime.resource(RulesHolder), preferred)
    return tagged(response, DraftOut.showing(draft, quote, found), draft.version)
