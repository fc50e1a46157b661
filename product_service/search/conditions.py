"""The SQL conditions of a search."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from product_service.products.models import BY_CHARACTER, COMPOUND_PARTS
from product_service.search.filters import Choice
from product_service.search.schemas import Filters
from product_service.search.words import Search
from product_service.vocabulary.queries import ExpandedWord

MAX_WORDS = 8

# Full-text search finds other forms of a word, and understands `this or that`.
QUERY = "websearch_to_tsquery('english', fold({q}))"
_PHRASE = "p.search_vector @@ phraseto_tsquery('english', fold({term}))"
_CHARACTERS = f"{BY_CHARACTER.format('p.')} @@ phraseto_tsquery('simple', spaced({{term}}))"
# Each filter's condition, used if the filter is given. `Conditions` adds those of `status`, `q`, and of facets.
_CONDITIONS = {
    "sku": "p.sku = ANY (:filters.sku::text[])",
    "gtin": "p.gtin = ANY (:filters.gtin::text[])",
    "tag": "p.tags @> to_jsonb(:filters.tag::text[])",
    "category_id": """p.category_id IN (
        WITH RECURSIVE below AS (
            SELECT :filters.category_id::uuid AS id
            UNION ALL SELECT c.id FROM categories c JOIN below ON c.parent_id = below.id
        ) SELECT id FROM below)""",
    "family_id": "p.family_id = :filters.family_id::uuid",
    "min_price": "unit.amount >= :filters.min_price::bigint",
    "max_price": "unit.amount <= :filters.max_price::bigint",
    "in_stock": "(coalesce(a.available, 0) > 0) = :filters.in_stock::boolean",
}


@dataclass(frozen=True)
class Criteria:
    """Filters as requested, and what the database knows about them: `words` are those of `words_of`, and `ignored` are
    phrases of words that are not indexed, such as `"the"`."""

    filters: Filters
    words: Sequence[ExpandedWord] = ()
    ignored: Container[str] = ()
    attributes: Mapping[str, Choice] = field(default_factory=dict)
    options: Mapping[str, Choice] = field(default_factory=dict)


def words_of(search: Search | None) -> list[str]:
    """The words of a search that may be misspelt."""
    if search is None or search.has_alternatives:
        return []
    return re.findall(r"\w+", _plain(search))[:MAX_WORDS]


def _plain(search: Search) -> str:
    return " ".join(term.text for term in search.terms if not term.is_operator)


class Conditions:
    """The SQL conditions of filters, and the values of their parameters.

    `of_facets`: the conditions of `brand`, of each attribute and each option, by the name of the facet, which is
    counted without its own condition.
    """

    def __init__(self, criteria: Criteria) -> None:
        filters = criteria.filters
        self.values: dict[str, Any] = {"filters": filters}
        self.of_facets: dict[str, str] = {}
        # A single status is compared by `=`, so that an index that begins with it yields rows in the list's order.
        statuses = "(:filters.statuses::text[])[1]" if len(filters.statuses) == 1 else "ANY (:filters.statuses::text[])"
        self._parts = [f"p.status = {statuses}"]
        if filters.search:
            self._search(filters.search, criteria)
        self._parts.extend(sql for name, sql in _CONDITIONS.items() if getattr(filters, name) not in (None, []))
        if filters.external_id:
            self._any(self._contains("external_ids", dict([each.split("=", 1)])) for each in filters.external_id)
        if filters.brand:
            self.of_facets["brand"] = "p.brand = ANY (:filters.brand::text[])"
        for column, chosen in (("attributes", criteria.attributes), ("options", criteria.options)):
            for name, choice in chosen.items():
                self.of_facets[f"{column}:{name}"] = self._chosen(column, name, choice)

    def add(self, condition: str, **values: Any) -> None:
        self._parts.append(condition)
        self.values |= values

    @property
    def base(self) -> str:
        """Without the conditions of facets."""
        return " AND ".join(self._parts)

    @property
    def sql(self) -> str:
        return " AND ".join([*self._parts, *self.of_facets.values()])

    def parameter(self, value: Any, type: str) -> str:
        """Adds a parameter with this value. Returns its placeholder."""
        name = f"value_{len(self.values)}"
        self.values[name] = value
        return f":{name}::{type}"

    def _search(self, search: Search, criteria: Criteria) -> None:
        """Phrases and words with a minus must be met exactly; for other words, similar ones are enough."""
        if not search.terms:
            self.add("false")
        elif search.has_alternatives:
            self.add(f"p.search_vector @@ {QUERY.format(q=':filters.search.typed::text')}")
        else:
            if plain := _plain(search):
                self._words(plain, criteria.words)
            for term in filter(attrgetter("is_operator"), search.terms):
                if term.text in criteria.ignored:
                    continue
                holds = (_CHARACTERS if term.by_character else _PHRASE).format(term=self.parameter(term.text, "text"))
                self.add(f"NOT ({holds})" if term.is_unwanted else holds)

    def _words(self, text: str, words: Sequence[ExpandedWord]) -> None:
        alike = " AND ".join(self._alike(word) for word in words if word.query or word.is_strange) or "false"
        self.add(f"(p.search_vector @@ {QUERY.format(q=self.parameter(text, 'text'))} OR ({alike}))")

    def _alike(self, word: ExpandedWord) -> str:
        """Trigrams, which are slower, find words that are like none of the catalogue's, and parts of SKUs."""
        holds = []
        if word.query:
            query = f"{self.parameter(word.query, 'text')}::tsquery"
            holds = [f"p.search_vector @@ {query}", f"{COMPOUND_PARTS.format('p.')} @@ {query}"]
        if word.is_strange:
            holds.append(f"fold({self.parameter(word.text, 'text')}) <% p.search_text")
        return f"({' OR '.join(holds)})"

    def _any(self, conditions: Any) -> None:
        self.add(f"({' OR '.join(conditions)})")

    def _contains(self, column: str, value: dict[str, Any]) -> str:
        return f"p.{column} @> {self.parameter(value, 'jsonb')}"

    def _chosen(self, column: str, name: str, choice: Choice) -> str:
        holds = [self._contains(column, {name: value}) for value in choice.values]
        if choice.ranges:
            value = f"(p.{column}->{self.parameter(name, 'text')})"
            number = f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::numeric END"
            holds += [
                " AND ".join(
                    f"{number} {sign} {self.parameter(limit, 'float8')}::numeric"
                    for sign, limit in ((">=", each.least), ("<=", each.most))
                    if limit is not None
                )
                for each in choice.ranges
            ]
        return f"({' OR '.join(holds)})"
