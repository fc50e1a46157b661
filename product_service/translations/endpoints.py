"""Translations over HTTP: the same operations for products, families, categories and collections."""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from pydantic import BaseModel

from product_service.products.translations import Entity, Translation
from product_service.settings import Settings
from product_service.translations import queries
from product_service.translations.schemas import (
    CategoryTexts,
    CollectionTexts,
    FamilyTexts,
    ProductTexts,
    TranslationOut,
    Translations,
)
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, Problem, not_found
from service_kit.security import Requires
from service_kit.text import Locale

router = Router(tags=["translations"])


class LocaleUnknown(Problem, status=409, type="locale-unknown"):
    """The shop has no language {locale} besides that of its main texts: `known` has the others (`PRODUCT_LOCALES`)."""


InPath = Annotated[Locale, Path(description="the language, as in `de` or `de-AT`", examples=["de"])]


def _add_put(path: str, entity: Entity, texts: type[BaseModel], manager: list[Any]) -> None:
    @router.put(
        f"/{path}/{{id}}/translations/{{locale}}",
        status_code=204,
        name=f"replace_{entity}_translation",
        summary=f"Replace a translation of a {entity}",
        dependencies=manager,
        responses=problems(NotFound, LocaleUnknown),
    )
    async def save(id: UUID, locale: InPath, body: texts, tx: Session, request: Request) -> None:  # type: ignore[valid-type]
        """Responses have these texts if `Accept-Language` prefers this language. Each text that is missing is shown in
        the main language."""
        _check(locale, request.app.state.runtime.resource(Settings).locales)
        if not await queries.exists(tx, entity, id):
            not_found(entity, id)
        await queries.save(tx, entity, id, locale, body.model_dump(exclude_none=True))  # type: ignore[attr-defined]


def _add_get(path: str, entity: Entity, manager: list[Any]) -> None:
    @router.get(
        f"/{path}/{{id}}/translations",
        name=f"list_{entity}_translations",
        summary=f"List the translations of a {entity}",
        dependencies=manager,
        responses=problems(NotFound),
    )
    async def every(id: UUID, tx: Session) -> Translations:
        """All of them, sorted by language."""
        if not await queries.exists(tx, entity, id):
            not_found(entity, id)
        return Translations(items=[TranslationOut.of(each) for each in await queries.every(tx, entity, id)])


def _add_delete(path: str, entity: Entity, manager: list[Any]) -> None:
    @router.delete(
        f"/{path}/{{id}}/translations/{{locale}}",
        status_code=204,
        name=f"delete_{entity}_translation",
        summary=f"Delete a translation of a {entity}",
        dependencies=manager,
        responses=problems(NotFound),
    )
    async def delete(id: UUID, locale: InPath, tx: Session) -> None:
        """The texts are shown in the main language again."""
        await tx.delete(await queries.find(tx, entity, id, locale) or not_found(Translation, locale))


def _check(locale: str, locales: Iterable[str]) -> None:
    """Raises: LocaleUnknown."""
    _, *others = locales
    if locale not in others:
        raise LocaleUnknown(locale=locale, known=others)


for _path, _entity, _texts, _permission in (
    ("products", Entity.PRODUCT, ProductTexts, "products:manage"),
    ("families", Entity.FAMILY, FamilyTexts, "products:manage"),
    ("collections", Entity.COLLECTION, CollectionTexts, "products:manage"),
    ("categories", Entity.CATEGORY, CategoryTexts, "categories:manage"),
):
    _manager = [Requires(_permission)]
    _add_put(_path, _entity, _texts, _manager)
    _add_get(_path, _entity, _manager)
    _add_delete(_path, _entity, _manager)
