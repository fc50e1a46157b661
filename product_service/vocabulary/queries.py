"""Every statement about synonyms and the words of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import select

from product_service.vocabulary.models import Synonym
from service_kit.database import Session, Statement, Transaction
from service_kit.database.keyset import Position, Slice, keyset

# Numbers of advisory locks, which are arbitrary.
LOCK_SYNONYMS = Statement("SELECT pg_advisory_xact_lock(0x73796e6f)")
TRY_LOCK_WORDS = Statement("SELECT pg_try_advisory_xact_lock(0x776f7264)")
COUNT_SYNONYMS = Statement("SELECT count(*) FROM synonyms")
FOLD = Statement(
    "SELECT fold(word) FROM unnest(:words::text[]) WITH ORDINALITY AS given (word, position) ORDER BY position"
)

# Only rows that differ are written. The longest words would be identifiers, which nobody corrects.
COLLECT_WORDS = Statement("""
WITH present AS MATERIALIZED (
    SELECT word COLLATE "C" AS word, ndoc::bigint AS products
    FROM ts_stat(
        'SELECT to_tsvector(''simple'', regexp_replace(fold(name), ''[^[:alnum:]]+'', '' '', ''g''))
         FROM products WHERE status = ''active''')
    WHERE length(word) BETWEEN 3 AND 40 AND word !~ '[^[:alpha:]]'
), gone AS (
    DELETE FROM search_words AS old WHERE NOT EXISTS (SELECT FROM present WHERE present.word = old.word)
)
INSERT INTO search_words (word, products)
SELECT present.word, present.products FROM present LEFT JOIN search_words AS old ON old.word = present.word
WHERE old.products IS DISTINCT FROM present.products
ON CONFLICT (word) DO UPDATE SET products = excluded.products
""")

# The indexes of words can only be read by bitmap scans.
CONFIGURE = Statement("SELECT set_config('enable_bitmapscan', 'on', true)")
# A word of four letters that is in the catalogue is rarely meant to be another: only longer ones have near words. The
# one at the end may not be complete: `:*` finds what begins with it. Words that contain it keep `shade` finding
# `lampshade`. `LIKE` has few candidates to compare from four letters on.
EXPAND = Statement("""
SELECT typed.word AS text,
       coalesce((
           SELECT string_agg(DISTINCT '(' || alternative::text || ')', ' | ') FROM (
               SELECT phraseto_tsquery('english', each)
               FROM unnest(folded.word || near.words || containing.words || synonym.words) AS each
               UNION ALL
               SELECT to_tsquery('simple', quote_literal(folded.word) || ':*')
               WHERE typed.position = cardinality(:words::text[]) AND length(folded.word) >= 3
                 AND (numnode(phraseto_tsquery('english', folded.word)) > 0 OR typed.position = 1)
           ) AS every (alternative) WHERE numnode(alternative) > 0
       ), '') AS query,
       length(folded.word) >= 3 AND known.word IS NULL AND near.words IS NULL AND containing.words IS NULL AS is_strange
FROM unnest(:words::text[]) WITH ORDINALITY AS typed (word, position)
CROSS JOIN LATERAL (SELECT fold(typed.word) AS word) AS folded
LEFT JOIN search_words AS known ON known.word = folded.word
CROSS JOIN LATERAL (
    SELECT array_agg(word) AS words FROM (
        SELECT word FROM search_words AS other
        WHERE other.deletions && deletions(folded.word) AND other.word <> folded.word
          AND length(folded.word) BETWEEN (CASE WHEN known.word IS NULL THEN 4 ELSE 5 END) AND 40
        ORDER BY similarity(other.word, folded.word) DESC, products DESC, word LIMIT 8
    ) AS nearest
) AS near
CROSS JOIN LATERAL (
    SELECT array_agg(word) AS words FROM (
        SELECT word FROM search_words AS other
        WHERE other.word LIKE '%' || replace(folded.word, '_', '\\_') || '%' AND other.word <> folded.word
          AND length(folded.word) BETWEEN 4 AND 40
        ORDER BY products DESC, word LIMIT 20
    ) AS longer
) AS containing
CROSS JOIN LATERAL (
    SELECT array_agg(other) AS words
    FROM synonyms, unnest(CASE WHEN also = '{}' THEN synonyms.words ELSE also END) AS other
    WHERE synonyms.words @> ARRAY[folded.word]
) AS synonym
ORDER BY typed.position
""")
NOT_INDEXED = Statement("""
SELECT phrase FROM unnest(:phrases::text[]) AS phrase WHERE numnode(phraseto_tsquery('english', fold(phrase))) = 0
""")
CORRECT = Statement("""
SELECT coalesce(best.word, typed.word)
FROM unnest(:words::text[]) WITH ORDINALITY AS typed (word, position)
CROSS JOIN LATERAL (SELECT fold(typed.word) AS word) AS folded
LEFT JOIN LATERAL (
    SELECT word FROM (
        SELECT word, products, true AS is_near FROM search_words WHERE deletions && deletions(folded.word)
        UNION ALL
        SELECT word, products, false FROM search_words AS other WHERE other.word % folded.word
    ) AS candidate
    WHERE length(folded.word) BETWEEN 4 AND 40
      AND NOT EXISTS (SELECT FROM search_words AS known WHERE known.word = folded.word)
    ORDER BY is_near DESC, similarity(candidate.word, folded.word) DESC, products DESC, word LIMIT 1
) AS best ON true
ORDER BY typed.position
""")


@dataclass(frozen=True, slots=True)
class ExpandedWord:
    """A word of a search, and the full-text query for it, for similar words and for synonyms.

    `query`: empty for a word that is not indexed, such as `the`. `is_strange`: the catalogue has no word like it.
    """

    text: str
    query: str
    is_strange: bool


async def expand(tx: Transaction, words: Sequence[str]) -> list[ExpandedWord]:
    """Call it before the transaction is configured for searches, so that it reads indexes."""
    if not words:
        return []
    await CONFIGURE.fetch(tx)
    return await EXPAND.fetch_as(tx, ExpandedWord, words=words)


async def not_indexed(tx: Transaction, phrases: Sequence[str]) -> list[str]:
    """Those phrases that have only words such as `the`, which are not indexed."""
    return [phrase for (phrase,) in await NOT_INDEXED.fetch(tx, phrases=phrases)]


async def correct(tx: Transaction, words: Sequence[str]) -> list[str]:
    """The words; those that are not in the catalogue are replaced by the most similar one that is."""
    return [word for (word,) in await CORRECT.fetch(tx, words=words)]


async def collect_words(tx: Transaction) -> bool:
    """Updates the words of the catalogue. Returns False if another process does so."""
    if not await TRY_LOCK_WORDS.fetchval(tx):
        return False
    await COLLECT_WORDS.execute(tx)
    return True


async def fold(tx: Session, words: Sequence[str]) -> list[str]:
    """The words without case and accents, each once."""
    return list(dict.fromkeys(word for (word,) in await FOLD.fetch(tx, words=list(words))))


async def page(tx: Session, position: Position) -> Slice[Synonym]:
    return await keyset(tx, select(Synonym), position, Synonym.id)


async def find(tx: Session, synonym_id: UUID) -> Synonym | None:
    return await tx.get(Synonym, synonym_id)


async def lock(tx: Session, synonym_id: UUID) -> Synonym | None:
    return await tx.get(Synonym, synonym_id, with_for_update=True, populate_existing=True)


async def count(tx: Session) -> int:
    """Locks the synonyms against additions until the transaction ends."""
    await LOCK_SYNONYMS.fetch(tx)
    found: int = await COUNT_SYNONYMS.fetchval(tx)
    return found
