"""The registry of attributes over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from product_service.attributes import queries, use_cases
from product_service.attributes.models import Attribute, AttributeExists, TooManyAttributes
from product_service.attributes.schemas import AttributeChange, AttributeIn, AttributeOut
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC, Principal, Requires

router = Router(prefix="/attributes", tags=["attributes"])

Manager = Annotated[Principal, Requires("products:manage")]


@router.post("", status_code=201, summary="Create an attribute", responses=problems(AttributeExists, TooManyAttributes))
async def create_attribute(body: AttributeIn, tx: Session, _: Manager, response: Response) -> AttributeOut:
    """Products that have an attribute of this name and kind can then be filtered by it (`attr` of `GET /products`), and
    if it is a facet, `facets=true` counts its values. Products may have other attributes too, which are only shown."""
    attribute = await use_cases.create(tx, body.model_dump())
    response.headers["Location"] = f"/attributes/{attribute.id}"
    return tagged(response, AttributeOut.of(attribute), attribute.version)


@router.get("", summary="List attributes", openapi_extra=PUBLIC, responses=problems(InvalidCursor))
async def list_attributes(tx: Session, page: Paged) -> Page[AttributeOut]:
    """With their labels and units, by position."""
    return page.of(await queries.page(tx, page.position), AttributeOut.of)


@router.get("/{attribute_id}", summary="Get an attribute", openapi_extra=PUBLIC, responses=problems(NotFound))
async def read_attribute(attribute_id: UUID, tx: Session, response: Response) -> AttributeOut:
    """One attribute, with an `ETag` for a later change."""
    attribute = await queries.find(tx, attribute_id) or not_found(Attribute, attribute_id)
    return tagged(response, AttributeOut.of(attribute), attribute.version)


@router.patch("/{attribute_id}", summary="Change an attribute", responses=problems(NotFound, PreconditionFailed))
async def change_attribute(
    attribute_id: UUID, body: AttributeChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> AttributeOut:
    """An absent field is not changed. Name and kind never change."""
    attribute = await use_cases.change(tx, attribute_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, AttributeOut.of(attribute), attribute.version)


@router.delete(
    "/{attribute_id}",
    status_code=204,
    summary="Delete an attribute",
    responses=problems(NotFound, PreconditionFailed),
)
async def delete_attribute(attribute_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Products keep their values; only filters and facets by it end."""
    await use_cases.delete(tx, attribute_id, expected)
