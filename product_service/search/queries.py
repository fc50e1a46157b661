"""Searching the catalogue: one statement for a page, one for the facets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from product_service.products.models import BY_CHARACTER
from product_service.products.queries import AVAILABILITY, BODY, UNIT_PRICE
from product_service.search.schemas import Facets, Filters, Sort
from product_service.search.words import Term, parse
from service_kit.database import Transaction
from service_kit.database.keyset import InvalidCursor, Position, Slice

MAX_WORDS = 8
# So that one wrong letter in a word of four still finds it (`hart`, `wite`); what is less alike ranks lower. And unlike
# other hot statements, a search may read whatever is least for its words: only bitmaps go by the indexes of texts.
SEARCHING = """
SELECT set_config('pg_trgm.word_similarity_threshold', '0.39', true),
       set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
       set_config('plan_cache_mode', 'auto', true)
"""

# Full text knows word forms and `this or that`; trigrams forgive what was mistyped, word by word.
_QUERY = "websearch_to_tsquery('english', fold({q}))"
_PHRASE = "p.search_vector @@ phraseto_tsquery('english', fold({term}))"
_CHARACTERS = f"{BY_CHARACTER.format('p.')} @@ phraseto_tsquery('simple', spaced({{term}}))"
_RELEVANCE = f"(1000000 * (ts_rank(p.search_vector, {_QUERY}) + word_similarity(fold({{q}}), p.search_text)))::bigint"
_BELOW = """
p.category_id IN (
    WITH RECURSIVE below AS (
        SELECT {id}::uuid AS id UNION ALL SELECT c.id FROM categories c JOIN below ON c.parent_id = below.id
    ) SELECT id FROM below)
"""
_FACETS = """
WITH found AS (
    SELECT p.category_id, coalesce(a.available, 0) > 0 AS in_stock, unit.amount, unit.currency
    FROM products p {joins} WHERE {where}
)
SELECT json_build_object(
    'count', (SELECT count(*) FROM found),
    'in_stock', (SELECT count(*) FROM found WHERE in_stock),
    'categories', (
        SELECT coalesce(json_agg(most), '[]') FROM (
            SELECT c.id AS category_id, c.name, c.slug, count(*)
            FROM found JOIN categories c ON c.id = found.category_id
            GROUP BY c.id ORDER BY count(*) DESC, c.name LIMIT 50) AS most),
    'prices', (
        SELECT coalesce(json_agg(ranges), '[]') FROM (
            SELECT currency, min(amount), max(amount) FROM found WHERE currency IS NOT NULL
            GROUP BY currency ORDER BY currency) AS ranges)
)::text
"""


@dataclass(frozen=True)
class _Key:
    """What a list is sorted by, before the id."""

    sql: str
    sql_type: str
    kind: type
    descending: bool = False


_KEYS = {
    Sort.RELEVANCE: _Key(_RELEVANCE, "bigint", int, descending=True),
    Sort.NEWEST: _Key("p.created_at", "timestamptz", datetime, descending=True),
    Sort.OLDEST: _Key("p.created_at", "timestamptz", datetime),
    Sort.NAME: _Key("p.sort_key", "text", str),
    Sort.NAME_BACKWARDS: _Key("p.sort_key", "text", str, descending=True),
    Sort.CHEAPEST: _Key("unit.amount", "bigint", int),
    Sort.DEAREST: _Key("unit.amount", "bigint", int, descending=True),
}


class Conditions:
    """The conditions that filters stand for, with their values; $1 to $3 are what UNIT_PRICE wants."""

    def __init__(self, filters: Filters, at: datetime) -> None:
        self.values: list[Any] = [at, 1, filters.currency]
        # Type and use of all three, for a statement that has no unit price in it.
        self._parts = ["$1::timestamptz IS NOT NULL", "$2::int = 1", "($3::text IS NULL OR true)"]
        if len(filters.status) == 1:  # as such: an index that begins with it then gives rows in the list's order
            self._parts.append(f"p.status = {self.value(filters.status[0])}::text")
        else:
            self._parts.append(f"p.status = ANY({self.value(filters.status)}::text[])")
        self._ranked_by = self._text(filters.q) if filters.q else ""
        if filters.sku:
            self._parts.append(f"p.sku = ANY({self.value(filters.sku)}::text[])")
        if filters.category_id:
            self._parts.append(_BELOW.format(id=self.value(filters.category_id)))
        if filters.min_price is not None:
            self._parts.append(f"unit.amount >= {self.value(filters.min_price)}::bigint")
        if filters.max_price is not None:
            self._parts.append(f"unit.amount <= {self.value(filters.max_price)}::bigint")
        if filters.in_stock is not None:
            self._parts.append(f"(coalesce(a.available, 0) > 0) = {self.value(filters.in_stock)}::boolean")

    def value(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str) -> None:
        self._parts.append(condition)

    @property
    def sql(self) -> str:
        return " AND ".join(self._parts)

    @property
    def relevance(self) -> str:
        return _RELEVANCE.format(q=self.value(self._ranked_by) + "::text")

    def _text(self, q: str) -> str:
        """What rows are ranked by. Each operator binds, whatever the similarity of the other words."""
        search = parse(q)
        if not search.terms:
            self._parts.append("false")
        elif search.has_alternatives:
            self._parts.append(f"p.search_vector @@ {_QUERY.format(q=self.value(search.typed) + '::text')}")
        else:
            self._terms(search.terms)
        return search.wanted

    def _terms(self, terms: Sequence[Term]) -> None:
        words = [term.text for term in terms if not (term.by_character or term.is_phrase or term.is_unwanted)]
        if words:
            self._words(" ".join(words))
        for term in terms:
            if term.by_character or term.is_phrase or term.is_unwanted:
                holds = (_CHARACTERS if term.by_character else _PHRASE).format(term=self.value(term.text) + "::text")
                self._parts.append(f"NOT ({holds})" if term.is_unwanted else holds)

    def _words(self, text: str) -> None:
        whole = self.value(text) + "::text"
        words = re.findall(r"\w+", text)[:MAX_WORDS]
        similar = " AND ".join(f"fold({self.value(word)}::text) <% p.search_text" for word in words) or "false"
        self._parts.append(f"(p.search_vector @@ {_QUERY.format(q=whole)} OR ({similar}))")


async def prepare(tx: Transaction) -> None:
    """For the rest of the transaction."""
    await tx.execute(SEARCHING)


async def page(tx: Transaction, filters: Filters, sort: Sort, position: Position, at: datetime) -> Slice[Any]:
    """Rows with `body`, a product as JSON."""
    key, conditions = _KEYS[sort], Conditions(filters, at)
    key_sql = conditions.relevance if sort == Sort.RELEVANCE else key.sql
    if key_sql == "unit.amount":
        conditions.add("unit.amount IS NOT NULL")
    # The sort's name stands in the cursor, so that one of another list is rejected instead of misread.
    if after := position.values(str, key.kind, UUID):
        if after[0] != sort:
            raise InvalidCursor
        bound = f"({conditions.value(after[1])}::{key.sql_type}, {conditions.value(after[2])}::uuid)"
        conditions.add(f"({key_sql}, p.id) {'<' if key.descending else '>'} {bound}")
    direction = "DESC" if key.descending else "ASC"
    statement = f"""
    WITH page AS (
        SELECT p.id, {key_sql} AS key FROM products p {_joins(conditions.sql, key_sql)}
        WHERE {conditions.sql}
        ORDER BY {key_sql} {direction}, p.id {direction} LIMIT {conditions.value(position.limit + 1)}::int
    )
    SELECT page.key, p.id, {BODY} AS body
    FROM page JOIN products p ON p.id = page.id {AVAILABILITY} {UNIT_PRICE}
    ORDER BY page.key {direction}, page.id {direction}
    """
    rows = await tx.fetch(statement, *conditions.values)
    return position.slice(rows, lambda row: [sort.value, row["key"], row["id"]])


async def facets(tx: Transaction, filters: Filters, at: datetime) -> Facets:
    conditions = Conditions(filters, at)
    statement = _FACETS.format(joins=f"{AVAILABILITY} {UNIT_PRICE}", where=conditions.sql)
    return Facets.model_validate_json(await tx.fetchval(statement, *conditions.values))


def _joins(*parts: str) -> str:
    """Only what conditions and sort ask for: a price is looked up for each row that is looked at."""
    used = " ".join(parts)
    return " ".join([AVAILABILITY if "a.available" in used else "", UNIT_PRICE if "unit." in used else ""])
