"""Related products over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from contracts.money import Currency
from product_service.languages import language_of
from product_service.products import use_cases as products
from product_service.products.models import Product
from product_service.products.queries import PriceQuery
from product_service.related import queries
from product_service.related.models import LinkedProductUnknown, ProductLink
from product_service.related.schemas import LinksIn, RelatedOut
from service_kit.clock import utcnow
from service_kit.http.etag import IfMatch
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session
from service_kit.problems import NotFound, PreconditionFailed, ValidationFailed, not_found
from service_kit.security import PUBLIC, Principal, Requires

router = Router(prefix="/products/{product_id}", tags=["related products"])

Manager = Annotated[Principal, Requires("products:manage")]


@router.get(
    "/related",
    summary="Get the products that go with one",
    response_model=RelatedOut,
    openapi_extra=PUBLIC,
    responses=problems(NotFound),
)
async def read_related(
    product_id: UUID,
    db: Connection,
    request: Request,
    currency: Annotated[Currency | None, Query(description="of the prices; default: of each base price")] = None,
) -> Response:
    """What staff linked, and what customers often buy with it. What is bought together is counted every hour, from the
    orders of a year; two products are bought together if at least two orders had both."""
    query = PriceQuery(utcnow(), currency=currency, locale=language_of(request))
    body = await queries.show(db, product_id, query) or not_found(Product, product_id)
    headers = {"Cache-Control": "public, max-age=60", "Vary": "Accept-Language"}
    return Response(body, headers=headers, media_type="application/json")


@router.put(
    "/links",
    status_code=204,
    summary="Replace the links of a product",
    responses=problems(NotFound, LinkedProductUnknown, PreconditionFailed),
)
async def link_products(product_id: UUID, body: LinksIn, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Replaces all links of the product. `If-Match` compares the product's version, which links don't change."""
    await products.lock(tx, product_id, expected)
    named = [link.product_id for link in body.links]
    if product_id in named:
        raise ValidationFailed.of("links", "a product can't be linked to itself")
    if unknown := await queries.unknown(tx, named):
        raise LinkedProductUnknown(product_ids=[str(id) for id in unknown])
    links = [
        ProductLink(product_id=product_id, other_id=link.product_id, kind=link.kind, position=position)
        for position, link in enumerate(body.links)
    ]
    await queries.replace_links(tx, product_id, links)
