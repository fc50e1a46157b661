"""Searches the catalogue: one statement for a page. The other modules have those for facets and suggestions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from product_service.attributes import queries as registry
from product_service.products.queries import AVAILABILITY, BODY, JOINS, UNIT_PRICE, PriceQuery
from product_service.search.conditions import QUERY, Conditions, Criteria, words_of
from product_service.search.filters import choices, names
from product_service.search.schemas import Filters, Sort
from product_service.vocabulary import queries as vocabulary
from service_kit.database import Statement, Transaction
from service_kit.database.keyset import InvalidCursor, Position, Slice

# The similarity threshold admits one wrong letter in a word of four (`hart`, `wite`); less similar names rank lower.
# Unlike other hot statements, a search may use any plan, since text indexes can only be read by bitmap scans.
CONFIGURE = Statement("""
SELECT set_config('pg_trgm.word_similarity_threshold', '0.39', true),
       set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
       set_config('plan_cache_mode', 'auto', true)
""")
_WANTED = ":filters.search.wanted::text"
_RELEVANCE = (
    f"(1000000 * (ts_rank(p.search_vector, {QUERY.format(q=_WANTED)})"
    f" + word_similarity(fold({_WANTED}), p.search_text)))::bigint"
)
_ITEM = "coalesce(p.family_id, p.id)"
_FIRST_OF_FAMILY = """
(p.family_id IS NULL OR p.id = (
    SELECT p.id FROM products p {joins} WHERE p.family_id = item.family_id AND {where}
    ORDER BY {key} {direction}, p.id {direction} LIMIT 1))
"""
# `schemas.FamilySummary`.
_SUMMARY = """
LEFT JOIN LATERAL (
    SELECT json_build_object(
        'id', f.id, 'name', f.name, 'slug', f.slug, 'variants', count(*),
        'price_from', CASE WHEN count(DISTINCT unit.currency) = 1
                           THEN json_build_object('amount', min(unit.amount), 'currency', min(unit.currency)) END
    )::text AS family
    FROM products p {joins}, families f
    WHERE f.id = item.family_id AND p.family_id = item.family_id AND {where}
    GROUP BY f.id
) AS summary ON true
"""


@dataclass(frozen=True)
class _Key:
    """An expression that a list is sorted by. The id decides between equal values."""

    sql: str
    kind: type
    descending: bool = False

    @property
    def direction(self) -> str:
        return "DESC" if self.descending else "ASC"


_KEYS = {
    Sort.RELEVANCE: _Key(_RELEVANCE, int, descending=True),
    Sort.NEWEST: _Key("p.created_at", datetime, descending=True),
    Sort.OLDEST: _Key("p.created_at", datetime),
    Sort.NAME: _Key("p.sort_key", str),
    Sort.NAME_BACKWARDS: _Key("p.sort_key", str, descending=True),
    Sort.CHEAPEST: _Key("unit.amount", int),
    Sort.DEAREST: _Key("unit.amount", int, descending=True),
}


async def prepare(tx: Transaction) -> None:
    """Configures PostgreSQL for searches until the transaction ends."""
    await CONFIGURE.fetch(tx)


async def criteria(tx: Transaction, filters: Filters) -> Criteria:
    """Raises: AttributeNotListed, FilterUnreadable."""
    phrases = [term.text for term in filters.search.terms if term.is_exact] if filters.search else []
    ignored = await vocabulary.not_indexed(tx, phrases) if phrases else []
    by_attribute, by_option = filters.attr or [], filters.option or []
    kinds = await registry.kinds(tx, names(by_attribute)) if by_attribute else {}
    words = await vocabulary.expand(tx, words_of(filters.search))
    return Criteria(filters, words, ignored, choices(by_attribute, kinds), choices(by_option, None))


async def page(
    tx: Transaction, criteria: Criteria, sort: Sort, position: Position, at: datetime, locale: str | None = None
) -> Slice[Any]:
    """Rows with `body`, a product as JSON, and `family`, its family as JSON if the list is collapsed."""
    filters, key, conditions = criteria.filters, _KEYS[sort], Conditions(criteria)
    if key.sql == "unit.amount":
        conditions.add("unit.amount IS NOT NULL")
    found = conditions.sql
    # The cursor contains the sort order, so that a cursor of another order is rejected instead of misread.
    comparison = "true"
    if after := position.values(str, key.kind, UUID):
        if after[0] != sort:
            raise InvalidCursor
        comparison = f"({{key}}, {{id}}) {'<' if key.descending else '>'} (:after_key, :after_id)"
        conditions.values |= {"after_key": after[1], "after_id": after[2]}
    chosen = _collapsed(key, found, comparison, filters) if filters.collapse else _plain(key, found, comparison)
    summary = _SUMMARY.format(joins=f"{AVAILABILITY} {UNIT_PRICE}", where=found) if filters.collapse else ""
    statement = Statement(f"""
    WITH page AS ({chosen} LIMIT :limit)
    SELECT item.key, p.id, {BODY} AS body, {"summary.family" if filters.collapse else "NULL"} AS family
    FROM page AS item JOIN products p ON p.id = item.id {JOINS} {summary}
    ORDER BY item.key {key.direction}, item.id {key.direction}
    """)
    query = PriceQuery(at, currency=filters.currency, locale=locale)
    rows = await statement.fetch(tx, query=query, limit=position.limit + 1, **conditions.values)
    return position.slice(rows, lambda row: [sort.value, row["key"], row["id"]])


def _plain(key: _Key, found: str, comparison: str) -> str:
    """Every product that was found."""
    return f"""
    SELECT p.id, {key.sql} AS key FROM products p {_joins(found, key.sql)}
    WHERE {found} AND {comparison.format(key=key.sql, id="p.id")}
    ORDER BY {key.sql} {key.direction}, p.id {key.direction}
    """


def _collapsed(key: _Key, found: str, comparison: str, filters: Filters) -> str:
    """The first product of each family that was found. In a list that an index sorts, each product is compared with
    those of its family, so that a page reads no more than it shows; otherwise all that is found is sorted anyway."""
    if filters.search is None and key.sql in ("p.created_at", "p.sort_key"):
        first = _FIRST_OF_FAMILY.format(joins=_joins(found), where=found, key=key.sql, direction=key.direction)
        return f"""
        SELECT p.id, p.family_id, {key.sql} AS key
        FROM products p {_joins(found)} CROSS JOIN LATERAL (SELECT p.family_id) AS item
        WHERE {found} AND {comparison.format(key=key.sql, id="p.id")} AND {first}
        ORDER BY {key.sql} {key.direction}, p.id {key.direction}
        """
    return f"""
    SELECT id, family_id, key FROM (
        SELECT DISTINCT ON ({_ITEM}) p.id, p.family_id, {key.sql} AS key
        FROM products p {_joins(found, key.sql)} WHERE {found}
        ORDER BY {_ITEM}, {key.sql} {key.direction}, p.id {key.direction}
    ) AS first WHERE {comparison.format(key="key", id="id")}
    ORDER BY key {key.direction}, id {key.direction}
    """


def _joins(*parts: str) -> str:
    """Only the joins that these parts of the statement need, since a price is looked up for each row that is read."""
    used = " ".join(parts)
    return " ".join([AVAILABILITY if "a.available" in used else "", UNIT_PRICE if "unit." in used else ""])
