"""Collections over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response

from contracts.money import Currency
from product_service.caching import allow_caching
from product_service.collections import queries, use_cases
from product_service.collections.models import CollectedProductUnknown, Collection
from product_service.collections.schemas import CollectionChange, CollectionIn, CollectionOut, ProductsIn
from product_service.languages import language_of
from product_service.products.endpoints import may_read_hidden
from product_service.products.queries import PriceQuery
from product_service.products.schemas import ProductOut
from product_service.products.translations import Entity
from product_service.text import SLUG_LENGTH
from product_service.translations import queries as translations
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires

router = Router(prefix="/collections", tags=["collections"])

Manager = Annotated[Principal, Requires("products:manage")]


@router.post("", status_code=201, summary="Create a collection")
async def create_collection(body: CollectionIn, tx: Session, _: Manager, response: Response) -> CollectionOut:
    """Creates a collection without products. Visitors see it if it is `published`."""
    collection = await use_cases.create(tx, body.model_dump())
    response.headers["Location"] = f"/collections/{collection.id}"
    return tagged(response, CollectionOut.of(collection), collection.version)


@router.get("", summary="List collections", openapi_extra=PUBLIC_OR_SIGNED_IN, responses=problems(InvalidCursor))
async def list_collections(
    tx: Session, page: Paged, who: MaybePrincipal, request: Request, response: Response
) -> Page[CollectionOut]:
    """In the sequence of their creation. Only staff see those that are not published."""
    allow_caching(response, who, seconds=60)
    found = await queries.page(tx, page.position, hidden_too=may_read_hidden(who))
    texts = await translations.texts_of(tx, Entity.COLLECTION, language_of(request))
    return page.of(found, lambda each: CollectionOut.of(each, **texts.get(each.id, {})))


@router.get(
    "/{collection_id}",
    summary="Get a collection",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(NotFound),
)
async def read_collection(
    collection_id: UUID, tx: Session, who: MaybePrincipal, request: Request, response: Response
) -> CollectionOut:
    """One collection, with an `ETag` for a later change."""
    collection = _shown(await queries.find(tx, collection_id), who, collection_id)
    return await _translated(tx, collection, request, response)


@router.get(
    "/by-slug/{slug}",
    summary="Get a collection by its slug",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(NotFound),
)
async def read_collection_by_slug(
    slug: Annotated[str, Path(max_length=SLUG_LENGTH, pattern="^[a-z0-9-]+$")],
    tx: Session,
    who: MaybePrincipal,
    request: Request,
    response: Response,
) -> CollectionOut:
    """The same response as for its id."""
    collection = _shown(await queries.find_by_slug(tx, slug), who, slug)
    return await _translated(tx, collection, request, response)


@router.patch("/{collection_id}", summary="Change a collection", responses=problems(NotFound, PreconditionFailed))
async def change_collection(
    collection_id: UUID, body: CollectionChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> CollectionOut:
    """An absent field is not changed. The slug never changes."""
    collection = await use_cases.change(tx, collection_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, CollectionOut.of(collection), collection.version)


@router.delete(
    "/{collection_id}", status_code=204, summary="Delete a collection", responses=problems(NotFound, PreconditionFailed)
)
async def delete_collection(collection_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Its products stay."""
    await use_cases.delete(tx, collection_id, expected)


@router.put(
    "/{collection_id}/products",
    summary="Replace the products of a collection",
    responses=problems(NotFound, CollectedProductUnknown, PreconditionFailed),
)
async def set_products(
    collection_id: UUID, body: ProductsIn, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> CollectionOut:
    """At most 1,000, in this sequence. Drafts may be among them; visitors see them once they are on sale."""
    collection = await use_cases.set_products(tx, collection_id, expected, body.product_ids)
    return tagged(response, CollectionOut.of(collection), collection.version)


@router.get(
    "/{collection_id}/products",
    summary="List the products of a collection",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(NotFound, InvalidCursor),
)
async def list_products_of_collection(
    collection_id: UUID,
    tx: Session,
    page: Paged,
    who: MaybePrincipal,
    request: Request,
    response: Response,
    currency: Annotated[Currency | None, Query(description="of `unit_price`; default: of each base price")] = None,
) -> Page[ProductOut]:
    """In the sequence that staff chose. Prices are those of one piece now."""
    _shown(await queries.find(tx, collection_id), who, collection_id)
    allow_caching(response, who, seconds=15)
    query = PriceQuery(utcnow(), currency=currency, hidden_too=may_read_hidden(who), locale=language_of(request))
    found = await queries.products(tx, collection_id, page.position, query)
    return page.of(found, lambda row: ProductOut.model_validate_json(row.body))


async def _translated(tx: Session, collection: Collection, request: Request, response: Response) -> CollectionOut:
    response.headers["Vary"] = "Authorization, Accept-Language"
    texts = await translations.texts_of(tx, Entity.COLLECTION, language_of(request))
    return tagged(response, CollectionOut.of(collection, **texts.get(collection.id, {})), collection.version)


def _shown(collection: Collection | None, who: Principal | None, name: object) -> Collection:
    """Raises: NotFound, also if only staff see it."""
    if collection is None or not (collection.published or may_read_hidden(who)):
        not_found(Collection, name)
    return collection
