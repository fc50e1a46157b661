"""Single products over HTTP. The domain `search` lists and searches them."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response

from contracts.money import Currency
from product_service.languages import language_of
from product_service.products import queries, use_cases
from product_service.products.families import FamilyUnknown, OptionUnknown, TooManyVariants, VariantExists
from product_service.products.models import (
    CategoryUnknown,
    GtinTaken,
    NotADraftAgain,
    Product,
    ProductHasHistory,
    SkuTaken,
)
from product_service.products.prior_prices import PriorPriceRule
from product_service.products.queries import PriceQuery, RenderedProduct
from product_service.products.schemas import ProductChange, ProductIn, ProductOut
from product_service.settings import Settings
from product_service.text import SLUG_LENGTH
from service_kit.clock import utcnow
from service_kit.http.etag import NOT_MODIFIED, IfMatch, IfNoneMatch, is_known
from service_kit.http.hot_route import hot_route
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session, Transaction, database_of
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires

router = Router(prefix="/products", tags=["products"])

Manager = Annotated[Principal, Requires("products:manage")]
_CONFLICTS = (CategoryUnknown, GtinTaken, FamilyUnknown, OptionUnknown, VariantExists, TooManyVariants)


async def _price_query(
    who: MaybePrincipal,
    request: Request,
    quantity: Annotated[int, Query(ge=1, le=1_000_000, description="`unit_price` is for this quantity")] = 1,
    currency: Annotated[Currency | None, Query(description="of `unit_price`; default: of the base price")] = None,
) -> PriceQuery:
    return PriceQuery(utcnow(), quantity, currency, may_read_hidden(who), language_of(request))


async def _prior_price_rule(request: Request) -> PriorPriceRule:
    return PriorPriceRule.of(request.app.state.runtime.resource(Settings))


RequestedPrice = Annotated[PriceQuery, Depends(_price_query)]
PriorPrices = Annotated[PriorPriceRule, Depends(_prior_price_rule)]


def may_read_hidden(who: Principal | None) -> bool:
    """Whether the caller is staff, who see drafts and archived products too."""
    return who is not None and who.may("products:read:any")


@router.post(
    "",
    status_code=201,
    summary="Create a product",
    response_model=ProductOut,
    responses=problems(SkuTaken, *_CONFLICTS),
)
async def create_product(body: ProductIn, tx: Transaction, _: Manager) -> Response:
    """Only staff see a `draft`; an `active` product is on sale at once. Its `slug`, made from the name, is unique."""
    product = await use_cases.create(tx, body.columns())
    answer = rendered(await use_cases.shown(tx, product.id), status=201)
    answer.headers["Location"] = f"/products/{product.id}"
    return answer


@hot_route(
    router,
    "GET",
    "/{product_id}",
    summary="Get a product",
    response_model=ProductOut,
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses={**problems(NotFound), **NOT_MODIFIED},
)
async def read_product(
    product_id: UUID, query: RequestedPrice, request: Request, if_none_match: IfNoneMatch = None
) -> Response:
    """The product with its stock and its `unit_price`: the price of one piece if `quantity` pieces are ordered now.

    In each tier that `quantity` reaches, the price that started last applies, and the lowest of these counts. The base
    price is in the tier for one piece, and started when the product was created.
    """
    async with database_of(request).connection() as db:
        product = await queries.show(db, product_id, query)
    return rendered(product or not_found(Product, product_id), if_none_match)


@router.get(
    "/by-slug/{slug}",
    summary="Get a product by its slug",
    response_model=ProductOut,
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses={**problems(NotFound), **NOT_MODIFIED},
)
async def read_product_by_slug(
    slug: Annotated[str, Path(max_length=SLUG_LENGTH, pattern="^[a-z0-9-]+$")],
    query: RequestedPrice,
    db: Connection,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The same response as for its id."""
    product = await queries.show_by_slug(db, slug, query)
    return rendered(product or not_found(Product, slug), if_none_match)


@router.patch(
    "/{product_id}",
    summary="Change a product",
    response_model=ProductOut,
    responses=problems(NotFound, *_CONFLICTS, NotADraftAgain, PreconditionFailed),
)
async def change_product(
    product_id: UUID, body: ProductChange, expected: IfMatch, tx: Session, rule: PriorPrices, _: Manager
) -> Response:
    """An absent field is not changed. SKU and slug never change. `active` puts it on sale, `archived` off sale."""
    await use_cases.change(tx, product_id, expected, body.columns(), rule)
    return rendered(await use_cases.shown(tx, product_id))


@router.delete(
    "/{product_id}",
    status_code=204,
    summary="Delete a product",
    responses=problems(NotFound, ProductHasHistory, PreconditionFailed),
)
async def delete_product(product_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a draft that was never published and never had stock can be deleted. Archive other products."""
    await use_cases.delete(tx, product_id, expected)


def rendered(product: RenderedProduct, if_none_match: str | None = None, status: int = 200) -> Response:
    """The response with a product or a family. `no-cache` lets caches store it, if they revalidate it before each
    use."""
    headers = {"ETag": f'"{product.tag}"', "Cache-Control": "no-cache", "Vary": "Authorization, Accept-Language"}
    if product.language:
        headers["Content-Language"] = product.language
    if is_known(if_none_match, product.tag):
        return Response(status_code=304, headers=headers)
    return Response(product.body, status, headers, media_type="application/json")
