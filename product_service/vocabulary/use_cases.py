"""Creates, replaces and deletes synonyms."""

from collections.abc import Sequence
from uuid import UUID

from product_service.vocabulary import queries
from product_service.vocabulary.models import MAX_SYNONYMS, Synonym, TooManySynonyms
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.concurrency import change as change_row
from service_kit.database import Session
from service_kit.problems import not_found


async def create(tx: Session, words: Sequence[str], also: Sequence[str]) -> Synonym:
    """Raises: TooManySynonyms."""
    if await queries.count(tx) >= MAX_SYNONYMS:
        raise TooManySynonyms(limit=MAX_SYNONYMS)
    synonym = Synonym(words=await queries.fold(tx, words), also=await queries.fold(tx, also))
    tx.add(synonym)
    await tx.flush()
    return synonym


async def replace(
    tx: Session, synonym_id: UUID, expected: Expected, words: Sequence[str], also: Sequence[str]
) -> Synonym:
    """Raises: NotFound, PreconditionFailed."""
    synonym = await queries.lock(tx, synonym_id) or not_found(Synonym, synonym_id)
    expected.check(synonym.version)
    if change_row(synonym, {"words": await queries.fold(tx, words), "also": await queries.fold(tx, also)}):
        synonym.updated_at = utcnow()
        await tx.flush()
    return synonym


async def delete(tx: Session, synonym_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed."""
    synonym = await queries.lock(tx, synonym_id) or not_found(Synonym, synonym_id)
    expected.check(synonym.version)
    await tx.delete(synonym)
