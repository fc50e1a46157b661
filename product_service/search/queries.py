"""Searches the catalogue: one statement for a page, one for the facets."""

import re
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from product_service.products.models import BY_CHARACTER
from product_service.products.queries import AVAILABILITY, BODY, JOINS, UNIT_PRICE, PriceQuery
from product_service.search.schemas import Facets, Filters, Sort
from product_service.search.words import Search
from service_kit.database import Statement, Transaction
from service_kit.database.keyset import InvalidCursor, Position, Slice

MAX_WORDS = 8
# The similarity threshold admits one wrong letter in a word of four (`hart`, `wite`); less similar names rank lower.
# Unlike other hot statements, a search may use any plan, since text indexes can only be read by bitmap scans.
CONFIGURE = Statement("""
SELECT set_config('pg_trgm.word_similarity_threshold', '0.39', true),
       set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
       set_config('plan_cache_mode', 'auto', true)
""")

# Full-text search finds other forms of a word, and understands `this or that`. Trigrams find misspelt words.
_QUERY = "websearch_to_tsquery('english', fold({q}))"
_PHRASE = "p.search_vector @@ phraseto_tsquery('english', fold({term}))"
_CHARACTERS = f"{BY_CHARACTER.format('p.')} @@ phraseto_tsquery('simple', spaced({{term}}))"
_WANTED = ":filters.search.wanted::text"
_RELEVANCE = (
    f"(1000000 * (ts_rank(p.search_vector, {_QUERY.format(q=_WANTED)})"
    f" + word_similarity(fold({_WANTED}), p.search_text)))::bigint"
)
# Each filter's condition, used if the filter is given. `Conditions` adds those of `status` and `q`.
_CONDITIONS = {
    "sku": "p.sku = ANY (:filters.sku::text[])",
    "tag": "p.tags @> to_jsonb(:filters.tag::text[])",
    "category_id": """p.category_id IN (
        WITH RECURSIVE below AS (
            SELECT :filters.category_id::uuid AS id
            UNION ALL SELECT c.id FROM categories c JOIN below ON c.parent_id = below.id
        ) SELECT id FROM below)""",
    "min_price": "unit.amount >= :filters.min_price::bigint",
    "max_price": "unit.amount <= :filters.max_price::bigint",
    "in_stock": "(coalesce(a.available, 0) > 0) = :filters.in_stock::boolean",
}
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
)
"""


@dataclass(frozen=True)
class _Key:
    """An expression that a list is sorted by. The id decides between equal values."""

    sql: str
    kind: type
    descending: bool = False


_KEYS = {
    Sort.RELEVANCE: _Key(_RELEVANCE, int, descending=True),
    Sort.NEWEST: _Key("p.created_at", datetime, descending=True),
    Sort.OLDEST: _Key("p.created_at", datetime),
    Sort.NAME: _Key("p.sort_key", str),
    Sort.NAME_BACKWARDS: _Key("p.sort_key", str, descending=True),
    Sort.CHEAPEST: _Key("unit.amount", int),
    Sort.DEAREST: _Key("unit.amount", int, descending=True),
}


class Conditions:
    """The SQL conditions of filters, and the values of their parameters."""

    def __init__(self, filters: Filters) -> None:
        self.values: dict[str, Any] = {"filters": filters}
        # A single status is compared by `=`, so that an index that begins with it yields rows in the list's order.
        statuses = "(:filters.statuses::text[])[1]" if len(filters.statuses) == 1 else "ANY (:filters.statuses::text[])"
        self._parts = [f"p.status = {statuses}"]
        if filters.search:
            self._search(filters.search)
        self._parts.extend(sql for name, sql in _CONDITIONS.items() if getattr(filters, name) not in (None, []))

    def add(self, condition: str, **values: Any) -> None:
        self._parts.append(condition)
        self.values |= values

    @property
    def sql(self) -> str:
        return " AND ".join(self._parts)

    def _search(self, search: Search) -> None:
        """Phrases and words with a minus must be met exactly; for other words, similar ones are enough."""
        if not search.terms:
            self.add("false")
        elif search.has_alternatives:
            self.add(f"p.search_vector @@ {_QUERY.format(q=':filters.search.typed::text')}")
        else:
            words = [term.text for term in search.terms if not term.is_operator]
            if words:
                self._words(" ".join(words))
            for term in filter(attrgetter("is_operator"), search.terms):
                holds = (_CHARACTERS if term.by_character else _PHRASE).format(term=self._text(term.text))
                self.add(f"NOT ({holds})" if term.is_unwanted else holds)

    def _words(self, text: str) -> None:
        words = re.findall(r"\w+", text)[:MAX_WORDS]
        similar = " AND ".join(f"fold({self._text(word)}) <% p.search_text" for word in words) or "false"
        self.add(f"(p.search_vector @@ {_QUERY.format(q=self._text(text))} OR ({similar}))")

    def _text(self, value: str) -> str:
        """Adds a parameter with this value. Returns its placeholder."""
        name = f"text_{len(self.values)}"
        self.values[name] = value
        return f":{name}::text"


async def prepare(tx: Transaction) -> None:
    """Configures PostgreSQL for searches until the transaction ends."""
    await CONFIGURE.fetch(tx)


async def page(
    tx: Transaction, filters: Filters, sort: Sort, position: Position, at: datetime, locale: str | None = None
) -> Slice[Any]:
    """Rows with `body`, a product as JSON."""
    key, conditions = _KEYS[sort], Conditions(filters)
    if key.sql == "unit.amount":
        conditions.add("unit.amount IS NOT NULL")
    # The cursor contains the sort order, so that a cursor of another order is rejected instead of misread.
    if after := position.values(str, key.kind, UUID):
        if after[0] != sort:
            raise InvalidCursor
        comparison = f"({key.sql}, p.id) {'<' if key.descending else '>'} (:after_key, :after_id)"
        conditions.add(comparison, after_key=after[1], after_id=after[2])
    direction = "DESC" if key.descending else "ASC"
    statement = Statement(f"""
    WITH page AS (
        SELECT p.id, {key.sql} AS key FROM products p {_joins(conditions.sql, key.sql)}
        WHERE {conditions.sql}
        ORDER BY {key.sql} {direction}, p.id {direction} LIMIT :limit
    )
    SELECT page.key, p.id, {BODY} AS body
    FROM page JOIN products p ON p.id = page.id {JOINS}
    ORDER BY page.key {direction}, page.id {direction}
    """)
    query = PriceQuery(at, currency=filters.currency, locale=locale)
    rows = await statement.fetch(tx, query=query, limit=position.limit + 1, **conditions.values)
    return position.slice(rows, lambda row: [sort.value, row["key"], row["id"]])


async def facets(tx: Transaction, filters: Filters, at: datetime) -> Facets:
    conditions = Conditions(filters)
    statement = Statement(_FACETS.format(joins=f"{AVAILABILITY} {UNIT_PRICE}", where=conditions.sql))
    found = await statement.fetchval(tx, query=PriceQuery(at, currency=filters.currency), **conditions.values)
    return Facets.model_validate(found)


def _joins(*parts: str) -> str:
    """Only the joins that these parts of the statement need, since a price is looked up for each row that is read."""
    used = " ".join(parts)
    return " ".join([AVAILABILITY if "a.available" in used else "", UNIT_PRICE if "unit." in used else ""])
