"""Categories over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from product_service.categories import queries, use_cases
from product_service.categories.models import (
    CategoriesTooDeep,
    Category,
    CategoryCycle,
    CategoryExists,
    CategoryNotEmpty,
    TooManyCategories,
)
from product_service.categories.schemas import CategoryChange, CategoryIn, CategoryOut, CategoryTree
from product_service.languages import language_of
from product_service.products.models import CategoryUnknown
from product_service.products.translations import Entity
from product_service.text import SLUG_LENGTH, Text
from product_service.translations import queries as translations
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC, Principal, Requires

router = Router(prefix="/categories", tags=["categories"])


async def _language(request: Request) -> str | None:
    return language_of(request)


Manager = Annotated[Principal, Requires("categories:manage")]
Language = Annotated[str | None, Depends(_language)]


@router.post(
    "",
    status_code=201,
    summary="Create a category",
    responses=problems(CategoryExists, CategoryUnknown, CategoriesTooDeep, TooManyCategories),
)
async def create_category(body: CategoryIn, tx: Session, _: Manager, response: Response) -> CategoryOut:
    """Creates a category at the top level, or under `parent_id`. Its unique `slug` is made from the name."""
    category = await use_cases.create(tx, body.name, body.parent_id)
    response.headers["Location"] = f"/categories/{category.id}"
    return tagged(response, CategoryOut.of(category), category.version)


@router.get("", summary="List categories", openapi_extra=PUBLIC, responses=problems(InvalidCursor))
async def list_categories(
    tx: Session,
    page: Paged,
    locale: Language,
    response: Response,
    parent_id: Annotated[UUID | None, Query(description="only the children of this category")] = None,
    slug: Annotated[
        Text | None,
        Query(max_length=SLUG_LENGTH, description="only the one with this slug", examples=["candles-lights"]),
    ] = None,
) -> Page[CategoryOut]:
    """Sorted by name in the main language. `GET /categories/tree` returns all of them at once."""
    response.headers["Vary"] = "Accept-Language"
    texts = await translations.texts_of(tx, Entity.CATEGORY, locale)
    found = await queries.page(tx, page.position, parent_id=parent_id, slug=slug)
    return page.of(found, lambda each: CategoryOut.of(each, **texts.get(each.id, {})))


@router.get("/tree", summary="Get the tree of categories", openapi_extra=PUBLIC)
async def read_category_tree(tx: Session, locale: Language, response: Response) -> CategoryTree:
    """All categories with their descendants, for a menu. Each level is sorted by name in the main language."""
    response.headers["Vary"] = "Accept-Language"
    return CategoryTree.of(await queries.every(tx), await translations.texts_of(tx, Entity.CATEGORY, locale))


@router.get("/{category_id}", summary="Get a category", openapi_extra=PUBLIC, responses=problems(NotFound))
async def read_category(category_id: UUID, tx: Session, locale: Language, response: Response) -> CategoryOut:
    """One category, with an `ETag` for a later change."""
    category = await queries.find(tx, category_id) or not_found(Category, category_id)
    response.headers["Vary"] = "Accept-Language"
    texts = await translations.texts_of(tx, Entity.CATEGORY, locale)
    return tagged(response, CategoryOut.of(category, **texts.get(category.id, {})), category.version)


@router.patch(
    "/{category_id}",
    summary="Change a category",
    responses=problems(NotFound, CategoryExists, CategoryCycle, CategoryUnknown, CategoriesTooDeep, PreconditionFailed),
)
async def change_category(
    category_id: UUID, body: CategoryChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> CategoryOut:
    """Renames or moves a category. It moves with its descendants. The slug stays, so that links keep working. Other
    services receive the new place of its products within seconds: a job publishes each with a new version."""
    category = await use_cases.change(tx, category_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, CategoryOut.of(category), category.version)


@router.delete(
    "/{category_id}",
    status_code=204,
    summary="Delete a category",
    responses=problems(NotFound, CategoryNotEmpty, PreconditionFailed),
)
async def delete_category(category_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only an empty category can be deleted: one without categories and products, even archived ones."""
    await use_cases.delete(tx, category_id, expected)
