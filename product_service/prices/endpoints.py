"""The scheduled prices of a product over HTTP."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from contracts.money import Currency, Money
from product_service.prices import queries, use_cases
from product_service.prices.explain import Verdict
from product_service.prices.schemas import (
    BasePriceOut,
    CandidateOut,
    ExplanationOut,
    GroupPriceIn,
    GroupPriceOut,
    PriceEnd,
    PriceIn,
    PriceOut,
)
from product_service.products import queries as product_queries
from product_service.products.endpoints import PriorPrices, may_read_hidden
from product_service.products.models import Product
from product_service.products.prices import (
    GroupPrice,
    PriceEnded,
    PriceEndsTooEarly,
    PriceExists,
    PriceScheduleFull,
    ScheduledPrice,
)
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires
from service_kit.times import Time

router = Router(prefix="/products/{product_id}", tags=["prices"])

Manager = Annotated[Principal, Requires("prices:manage")]


@router.post(
    "/prices",
    status_code=201,
    summary="Schedule a price",
    responses=problems(NotFound, PriceExists, PriceEndsTooEarly, PriceScheduleFull, PreconditionFailed),
)
async def schedule_price(
    product_id: UUID,
    body: PriceIn,
    expected: IfMatch,
    tx: Session,
    rule: PriorPrices,
    _: Manager,
    response: Response,
) -> PriceOut:
    """Adds a unit price for `min_quantity` pieces or more, from `starts_at` on. Prices may overlap.

    Prices with the same `min_quantity` are a tier. In each tier that a quantity reaches, the price that started last
    applies, and the one before it again when it ends. The lowest of these counts. The `ETag` is the product's.
    """
    price = ScheduledPrice(product_id=product_id, **body.model_dump())
    product = await use_cases.schedule(tx, price, expected, rule)
    response.headers["Location"] = f"/products/{product_id}/prices"
    return tagged(response, PriceOut.of(price), product.version)


@router.get(
    "/prices",
    summary="List the scheduled prices of a product",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(NotFound, InvalidCursor),
)
async def list_prices(
    product_id: UUID,
    tx: Session,
    page: Paged,
    who: MaybePrincipal,
    currency: Currency | None = None,
    ended: Annotated[bool, Query(description="also prices that have ended")] = False,
) -> Page[PriceOut]:
    """Sorted by start. They don't contain the base price, which is a field of the product."""
    if not await product_queries.is_shown(tx, product_id, hidden_too=may_read_hidden(who)):
        not_found(Product, product_id)
    after = None if ended else utcnow()
    found = await queries.page(tx, ScheduledPrice, product_id, page.position, after=after, currency=currency)
    return page.of(found, PriceOut.of)


@router.post(
    "/prices/{price_id}/end",
    summary="End a price",
    responses=problems(NotFound, PriceEnded, PreconditionFailed),
)
async def end_price(
    product_id: UUID,
    price_id: UUID,
    expected: IfMatch,
    tx: Session,
    rule: PriorPrices,
    _: Manager,
    response: Response,
    body: PriceEnd | None = None,
) -> PriceOut:
    """Ends a price now or at `ends_at`. A future end can be changed. A price ended before its start never applies."""
    price, product = await use_cases.end(
        tx, ScheduledPrice, product_id, price_id, expected, body.ends_at if body else None, rule
    )
    return tagged(response, PriceOut.of(price), product.version)


@router.get(
    "/price-history",
    summary="List the base prices that a product has had",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(NotFound, InvalidCursor),
)
async def list_base_prices(product_id: UUID, tx: Session, page: Paged, who: MaybePrincipal) -> Page[BasePriceOut]:
    """Sorted by time, the newest first. Each applied until the one before it in the list, unless a scheduled price did:
    `GET /products/{product_id}/prices?ended=true` has those. Visitors see prices since the product was put on sale."""
    hidden_too = may_read_hidden(who)
    if not await product_queries.is_shown(tx, product_id, hidden_too=hidden_too):
        not_found(Product, product_id)
    newest_first = replace(page.position, descending=True)
    found = await queries.history(tx, product_id, newest_first, since_on_sale=not hidden_too)
    return page.of(found, BasePriceOut.of)


@router.post(
    "/group-prices",
    status_code=201,
    summary="Schedule a price for a customer group",
    responses=problems(NotFound, PriceExists, PriceEndsTooEarly, PriceScheduleFull, PreconditionFailed),
)
async def schedule_group_price(
    product_id: UUID,
    body: GroupPriceIn,
    expected: IfMatch,
    tx: Session,
    rule: PriorPrices,
    _: Manager,
    response: Response,
) -> GroupPriceOut:
    """Adds a unit price that only the customers of this group have, in their carts, quotes and orders.

    Within a tier it goes before the public prices, even if it is higher. This service shows it to staff only.
    """
    price = GroupPrice(product_id=product_id, **body.model_dump())
    product = await use_cases.schedule(tx, price, expected, rule)
    response.headers["Location"] = f"/products/{product_id}/group-prices"
    return tagged(response, GroupPriceOut.of(price), product.version)


@router.get(
    "/group-prices",
    summary="List the prices of a product for customer groups",
    responses=problems(NotFound, InvalidCursor),
)
async def list_group_prices(
    product_id: UUID,
    tx: Session,
    page: Paged,
    _: Manager,
    customer_group: Annotated[UUID | None, Query(description="only those of this group")] = None,
    ended: Annotated[bool, Query(description="also prices that have ended")] = False,
) -> Page[GroupPriceOut]:
    """Sorted by start."""
    if not await product_queries.is_shown(tx, product_id, hidden_too=True):
        not_found(Product, product_id)
    after = None if ended else utcnow()
    found = await queries.page(tx, GroupPrice, product_id, page.position, after=after, customer_group=customer_group)
    return page.of(found, GroupPriceOut.of)


@router.post(
    "/group-prices/{price_id}/end",
    summary="End a price for a customer group",
    responses=problems(NotFound, PriceEnded, PreconditionFailed),
)
async def end_group_price(
    product_id: UUID,
    price_id: UUID,
    expected: IfMatch,
    tx: Session,
    rule: PriorPrices,
    _: Manager,
    response: Response,
    body: PriceEnd | None = None,
) -> GroupPriceOut:
    """Ends a price now or at `ends_at`, as `POST /products/{product_id}/prices/{price_id}/end` does."""
    ends_at = body.ends_at if body else None
    price, product = await use_cases.end(tx, GroupPrice, product_id, price_id, expected, ends_at, rule)
    return tagged(response, GroupPriceOut.of(price), product.version)


@router.get("/prices/explain", summary="Get the reasons for a price", responses=problems(NotFound))
async def explain_price(
    product_id: UUID,
    tx: Session,
    _: Manager,
    quantity: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    currency: Annotated[Currency | None, Query(description="default: of the base price at that time")] = None,
    customer_group: Annotated[UUID | None, Query(description="the price of a customer of this group")] = None,
    at: Annotated[Time | None, Query(description="default: now")] = None,
) -> ExplanationOut:
    """What became of each price at a moment, which may be in the past: what a price was then never changes.

    Prices that had ended 30 days before that moment are left out. Base prices are known since they are recorded."""
    at = at or utcnow()
    currency, found = await use_cases.explain(tx, product_id, quantity, currency, at, customer_group)
    applies = next((each for each, verdict in found if verdict == Verdict.APPLIES), None)
    return ExplanationOut(
        quantity=quantity,
        currency=currency,
        at=at,
        customer_group=customer_group,
        unit_price=Money(amount=applies.amount, currency=currency) if applies else None,
        candidates=[CandidateOut.of(each, verdict=verdict) for each, verdict in found],
    )
