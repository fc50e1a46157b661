"""Synonyms over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from product_service.vocabulary import queries, use_cases
from product_service.vocabulary.models import Synonym, TooManySynonyms
from product_service.vocabulary.schemas import SynonymIn, SynonymOut
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import Principal, Requires

router = Router(prefix="/synonyms", tags=["synonyms"])

Manager = Annotated[Principal, Requires("products:manage")]


@router.post("", status_code=201, summary="Create a synonym", responses=problems(TooManySynonyms))
async def create_synonym(body: SynonymIn, tx: Session, _: Manager, response: Response) -> SynonymOut:
    """Searches use it at once, for products that exist already too."""
    synonym = await use_cases.create(tx, body.words, body.also)
    response.headers["Location"] = f"/synonyms/{synonym.id}"
    return tagged(response, SynonymOut.of(synonym), synonym.version)


@router.get("", summary="List synonyms", responses=problems(InvalidCursor))
async def list_synonyms(tx: Session, page: Paged, _: Manager) -> Page[SynonymOut]:
    """In the sequence of their creation."""
    return page.of(await queries.page(tx, page.position), SynonymOut.of)


@router.get("/{synonym_id}", summary="Get a synonym", responses=problems(NotFound))
async def read_synonym(synonym_id: UUID, tx: Session, _: Manager, response: Response) -> SynonymOut:
    """One synonym, with an `ETag` for a later change."""
    synonym = await queries.find(tx, synonym_id) or not_found(Synonym, synonym_id)
    return tagged(response, SynonymOut.of(synonym), synonym.version)


@router.put("/{synonym_id}", summary="Replace a synonym", responses=problems(NotFound, PreconditionFailed))
async def replace_synonym(
    synonym_id: UUID, body: SynonymIn, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> SynonymOut:
    """Replaces all its words."""
    synonym = await use_cases.replace(tx, synonym_id, expected, body.words, body.also)
    return tagged(response, SynonymOut.of(synonym), synonym.version)


@router.delete(
    "/{synonym_id}", status_code=204, summary="Delete a synonym", responses=problems(NotFound, PreconditionFailed)
)
async def delete_synonym(synonym_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Searches no longer use it."""
    await use_cases.delete(tx, synonym_id, expected)
