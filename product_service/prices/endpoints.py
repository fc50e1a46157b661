"""A product's price schedule over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from contracts.money import Currency
from product_service.prices import use_cases
from product_service.prices.schemas import PriceEnd, PriceIn, PriceOut
from product_service.products.endpoints import may_read_hidden
from product_service.products.prices import PriceEnded, PriceEndsTooEarly, PriceExists, PriceScheduleFull
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, set_etag
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires

router = Router(prefix="/products/{product_id}/prices", tags=["prices"])

Manager = Annotated[Principal, Requires("prices:manage")]


@router.post(
    "",
    status_code=201,
    summary="Schedule a price",
    responses=problems(NotFound, PriceExists, PriceEndsTooEarly, PriceScheduleFull, PreconditionFailed),
)
async def schedule_price(
    product_id: UUID, body: PriceIn, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PriceOut:
    """A unit price for `min_quantity` pieces and more, from `starts_at` on. Prices may overlap.

    What counts: in each tier that a quantity reaches the price that starts last (when that ends, the one before counts
    again, and at last the base price), and of these the cheapest. The `ETag` is the product's.
    """
    price, product = await use_cases.schedule(tx, product_id, expected, body.model_dump())
    response.headers["Location"] = f"/products/{product_id}/prices"
    set_etag(response, product.version)
    return PriceOut.of(price)


@router.get(
    "",
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
    ended: Annotated[bool, Query(description="those too that count no more")] = False,
) -> Page[PriceOut]:
    """In the order of their start. The base price stands on the product itself."""
    found = await use_cases.read_schedule(
        tx, product_id, page.position, hidden_too=may_read_hidden(who), currency=currency, ended_too=ended
    )
    return page.of(found, PriceOut.of)


@router.post(
    "/{price_id}/end",
    summary="End a price",
    responses=problems(NotFound, PriceEnded, PreconditionFailed),
)
async def end_price(
    product_id: UUID,
    price_id: UUID,
    expected: IfMatch,
    tx: Session,
    _: Manager,
    response: Response,
    body: PriceEnd | None = None,
) -> PriceOut:
    """Now or at `ends_at`, also to move an end that lies ahead. One that has not started by then never counts."""
    price, product = await use_cases.end(tx, product_id, price_id, expected, body.ends_at if body else None)
    set_etag(response, product.version)
    return PriceOut.of(price)
