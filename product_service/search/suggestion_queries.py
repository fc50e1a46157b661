"""What a shopper may mean while typing, in one statement that reads hardly more rows than it shows."""

import re

from product_service.products.models import BY_CHARACTER
from product_service.products.sort_key import sort_key
from product_service.search.conditions import MAX_WORDS
from product_service.search.schemas import Suggestions
from product_service.search.words import Search
from product_service.text import WORDS_OF_NAME
from service_kit.database import Statement, Transaction

LIMIT = 5
# Text indexes can only be read by bitmap scans.
CONFIGURE = Statement("SELECT set_config('enable_bitmapscan', 'on', true)")
_BODIES = "coalesce(json_agg(json_build_object('id', id, 'name', name, 'slug', slug)), '[]')"
_WORDS = """
    SELECT plainto_tsquery('english', fold(:before::text)) && (
               phraseto_tsquery('english', fold(:last::text))
               || to_tsquery('simple', quote_literal(fold(:last::text)) || ':*')) AS of_product,
           plainto_tsquery('simple', fold(:before::text))
               && to_tsquery('simple', quote_literal(fold(:last::text)) || ':*') AS of_name
"""
_CHARACTERS = """
    SELECT phraseto_tsquery('simple', spaced(:before::text || :last::text)) AS of_product,
           phraseto_tsquery('simple', spaced(:before::text || :last::text)) AS of_name
"""
_IS_ON_SALE = "AND EXISTS (SELECT FROM products p WHERE p.family_id = named.id AND p.status = 'active')"


def _named(table: str, shown: str = "") -> str:
    return f"""
    (SELECT {_BODIES} FROM (
        SELECT id, name, slug FROM {table} AS named
        WHERE {WORDS_OF_NAME} @@ (SELECT of_name FROM typed) {shown} LIMIT {LIMIT}) AS few)
    """


def _suggest(typed: str, vector: str) -> Statement:
    """`OFFSET 0` keeps the planner from reading products in another order until enough of them have the words."""
    return Statement(f"""
    WITH typed AS MATERIALIZED ({typed}), begin AS MATERIALIZED (
        SELECT id, name, slug, 1 AS place FROM products
        WHERE status = 'active' AND sort_key >= :sort_key::text AND sort_key < :sort_key::text || chr(1114111)
        ORDER BY sort_key, id LIMIT {LIMIT}
    ), contain AS MATERIALIZED (
        SELECT id, name, slug, 2 AS place FROM (
            SELECT * FROM products p WHERE {vector} @@ (SELECT of_product FROM typed) OFFSET 0) AS every
        WHERE status = 'active' AND id NOT IN (SELECT id FROM begin) LIMIT {LIMIT}
    )
    SELECT json_build_object(
        'texts', (
            SELECT coalesce(json_agg(:before::text || word), '[]') FROM (
                SELECT word FROM search_words
                WHERE word >= fold(:last::text) AND word < fold(:last::text) || chr(1114111)
                ORDER BY products DESC, word LIMIT {LIMIT}) AS completed),
        'products', (
            SELECT {_BODIES} FROM (
                SELECT * FROM (SELECT * FROM begin UNION ALL SELECT * FROM contain) AS either
                ORDER BY place LIMIT {LIMIT}) AS few),
        'families', {_named("families", _IS_ON_SALE)},
        'categories', {_named("categories")}
    )::text AS body
    """)


SUGGEST = _suggest(_WORDS, "p.search_vector")
SUGGEST_BY_CHARACTER = _suggest(_CHARACTERS, BY_CHARACTER.format("p."))


async def suggest(tx: Transaction, search: Search) -> str:
    """The body of the response, as JSON."""
    words = re.findall(r"\w+", search.typed)[:MAX_WORDS]
    begin = sort_key(search.typed).partition("\x01")[0]
    if not words or not begin:
        return Suggestions(texts=[], products=[], families=[], categories=[]).model_dump_json()
    await CONFIGURE.fetch(tx)
    before = "".join(f"{word} " for word in words[:-1])
    by_character = any(term.by_character for term in search.terms)
    statement = SUGGEST_BY_CHARACTER if by_character else SUGGEST
    body: str = await statement.fetchval(tx, before=before, last=words[-1], sort_key=begin)
    return body
