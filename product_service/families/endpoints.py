"""Families over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response

from contracts.money import Currency
from product_service.families import queries, use_cases
from product_service.families.schemas import FamilyChange, FamilyIn, FamilyOut, FamilyPage, VariantsIn, VariantsOut
from product_service.languages import language_of
from product_service.products.endpoints import may_read_hidden, rendered
from product_service.products.families import Family, FamilyNotEmpty, OptionsInUse, OptionUnknown, TooManyVariants
from product_service.products.models import CategoryUnknown, SkuTaken
from product_service.products.queries import PriceQuery
from product_service.text import SLUG_LENGTH
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import NOT_MODIFIED, IfMatch, IfNoneMatch
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session, Transaction
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires

router = Router(prefix="/families", tags=["families"])

Manager = Annotated[Principal, Requires("products:manage")]
Reader = Annotated[Principal, Requires("products:read:any")]


async def _price_query(
    who: MaybePrincipal,
    request: Request,
    currency: Annotated[Currency | None, Query(description="of the prices; default: of each base price")] = None,
) -> PriceQuery:
    hidden_too = may_read_hidden(who)
    return PriceQuery(utcnow(), currency=currency, hidden_too=hidden_too, locale=language_of(request))


RequestedPrice = Annotated[PriceQuery, Depends(_price_query)]


@router.post(
    "", status_code=201, summary="Create a family", response_model=FamilyPage, responses=problems(CategoryUnknown)
)
async def create_family(body: FamilyIn, tx: Session, _: Manager) -> Response:
    """Creates a family without products. `POST /families/{family_id}/variants` creates them, or a product is put into
    it by its `family_id`. Visitors see the family once one of its products is on sale."""
    family = await use_cases.create(tx, body.model_dump())
    answer = rendered(await use_cases.shown(tx, family.id), status=201)
    answer.headers["Location"] = f"/families/{family.id}"
    return answer


@router.get("", summary="List families", responses=problems(InvalidCursor))
async def list_families(
    tx: Session,
    page: Paged,
    _: Reader,
    category_id: Annotated[UUID | None, Query(description="only those of this category itself")] = None,
) -> Page[FamilyOut]:
    """For staff, in the sequence of their creation. `GET /products?collapse=family` is the list for customers."""
    return page.of(await queries.page(tx, page.position, category_id=category_id), FamilyOut.of)


@router.get(
    "/{family_id}",
    summary="Get a family with its products",
    response_model=FamilyPage,
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses={**problems(NotFound), **NOT_MODIFIED},
)
async def read_family(
    family_id: UUID, query: RequestedPrice, db: Connection, if_none_match: IfNoneMatch = None
) -> Response:
    """All that a page needs on which a customer chooses a product by its options: prices are those of one piece now."""
    return rendered(await queries.show(db, family_id, query) or not_found(Family, family_id), if_none_match)


@router.get(
    "/by-slug/{slug}",
    summary="Get a family by its slug",
    response_model=FamilyPage,
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses={**problems(NotFound), **NOT_MODIFIED},
)
async def read_family_by_slug(
    slug: Annotated[str, Path(max_length=SLUG_LENGTH, pattern="^[a-z0-9-]+$")],
    query: RequestedPrice,
    db: Connection,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The same response as for its id."""
    return rendered(await queries.show_by_slug(db, slug, query) or not_found(Family, slug), if_none_match)


@router.patch(
    "/{family_id}",
    summary="Change a family",
    response_model=FamilyPage,
    responses=problems(NotFound, CategoryUnknown, OptionsInUse, PreconditionFailed),
)
async def change_family(family_id: UUID, body: FamilyChange, expected: IfMatch, tx: Session, _: Manager) -> Response:
    """An absent field is not changed. The slug never changes, and the category of its products stays."""
    await use_cases.change(tx, family_id, expected, body.model_dump(exclude_unset=True))
    return rendered(await use_cases.shown(tx, family_id))


@router.delete(
    "/{family_id}",
    status_code=204,
    summary="Delete a family",
    responses=problems(NotFound, FamilyNotEmpty, PreconditionFailed),
)
async def delete_family(family_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a family without products can be deleted."""
    await use_cases.delete(tx, family_id, expected)


@router.post(
    "/{family_id}/variants",
    summary="Create the products of a family",
    responses=problems(NotFound, OptionUnknown, TooManyVariants, SkuTaken),
)
async def create_variants(family_id: UUID, body: VariantsIn, tx: Transaction, _: Manager) -> VariantsOut:
    """Creates a product for each combination of options that has none yet, so a repetition creates nothing more. They
    have the family's category."""
    columns = {"price_amount": body.price.amount, "price_currency": body.price.currency}
    columns |= body.model_dump(include={"tax_class", "weight_g", "status"})
    created, existing = await use_cases.create_variants(tx, family_id, body.sku, body.options, columns)
    return VariantsOut(created=created, existing=existing)
