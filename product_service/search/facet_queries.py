"""Counts all that a search finds: one statement."""

from datetime import datetime

from product_service.products.queries import AVAILABILITY, UNIT_PRICE, PriceQuery
from product_service.search.conditions import Conditions, Criteria
from product_service.search.schemas import Facets
from service_kit.database import Statement, Transaction

# `missed`: the only facet whose filter a product doesn't meet. It is not found, but counted among the alternatives of
# this facet. The planner can't know how few products are found, so the CTEs keep it from joining first.
_FACETS = """
WITH candidates AS MATERIALIZED (
    SELECT p.id, p.category_id, p.brand, p.attributes, p.options, p.price_amount, p.price_prior_amount,
           p.price_currency, p.created_at,
           {item} AS item, {missed} AS missed
    FROM products p {joins} WHERE {where}
), found AS MATERIALIZED (
    SELECT * FROM candidates WHERE cardinality(missed) = 0
), brands AS (
    SELECT brand, {count} AS count FROM candidates
    WHERE brand IS NOT NULL AND missed <@ ARRAY['brand'] AND cardinality(missed) < 2
    GROUP BY brand ORDER BY 2 DESC, brand LIMIT 20
), attribute_values AS (
    SELECT attributes.name, each.value, {count} AS count
    FROM candidates CROSS JOIN jsonb_each(candidates.attributes) AS each (name, value)
    JOIN attributes ON attributes.name = each.name AND attributes.facet AND jsonb_typeof(each.value) = {json_type}
    WHERE missed <@ ARRAY['attributes:' || each.name] AND cardinality(missed) < 2
    GROUP BY attributes.name, each.value
), option_values AS (
    SELECT each.name, each.value, {count} AS count
    FROM candidates CROSS JOIN jsonb_each(candidates.options) AS each (name, value)
    WHERE candidates.options <> '{{}}' AND missed <@ ARRAY['options:' || each.name] AND cardinality(missed) < 2
    GROUP BY each.name, each.value
)
SELECT json_build_object(
    'count', (SELECT {count} FROM found),
    'in_stock', (
        SELECT {count} FROM found JOIN availability a ON a.product_id = found.id WHERE a.available > 0),
    'categories', (
        SELECT coalesce(json_agg(most), '[]') FROM (
            SELECT c.id AS category_id, c.name, c.slug, {count}
            FROM found JOIN categories c ON c.id = found.category_id
            GROUP BY c.id ORDER BY 4 DESC, c.name LIMIT 50) AS most),
    'prices', (
        SELECT coalesce(json_agg(ranges), '[]') FROM (
            SELECT currency, min(amount), max(amount) FROM (
                SELECT unit.currency, unit.amount FROM found p {unit_price}) AS priced
            WHERE currency IS NOT NULL GROUP BY currency ORDER BY currency) AS ranges),
    'brands', (SELECT coalesce(json_agg(brands), '[]') FROM brands),
    'attributes', (
        SELECT coalesce(json_agg(json_build_object(
            'name', a.name, 'kind', a.kind, 'unit', a.unit, 'labels', a.labels, 'values', of_a.most,
            'min', of_a.min, 'max', of_a.max) ORDER BY a.position, a.id), '[]')
        FROM attributes a JOIN (
            SELECT name, json_agg(json_build_object('value', value, 'count', count) ORDER BY place)
                             FILTER (WHERE place <= 20) AS most,
                   min(CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END),
                   max(CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END)
            FROM (SELECT *, row_number() OVER (PARTITION BY name ORDER BY count DESC, value) AS place
                  FROM attribute_values) AS ranked
            GROUP BY name) AS of_a USING (name)),
    'options', (
        SELECT coalesce(json_agg(json_build_object('name', name, 'values', most) ORDER BY name), '[]') FROM (
            SELECT name, json_agg(json_build_object('value', value, 'count', count) ORDER BY place)
                             FILTER (WHERE place <= 20) AS most
            FROM (SELECT *, row_number() OVER (PARTITION BY name ORDER BY count DESC, value) AS place
                  FROM option_values) AS ranked
            GROUP BY name) AS of_options)
)
"""
_JSON_TYPE = "CASE attributes.kind WHEN 'text' THEN 'string' ELSE attributes.kind END"


async def facets(tx: Transaction, criteria: Criteria, at: datetime) -> Facets:
    filters, conditions = criteria.filters, Conditions(criteria)
    names = [f"CASE WHEN NOT ({sql}) THEN {conditions.parameter(name, 'text')} END" for name, sql in _of(conditions)]
    missed = f"array_remove(ARRAY[{', '.join(names)}]::text[], NULL)"
    used = f"{conditions.base} {missed}"
    statement = Statement(
        _FACETS.format(
            item="coalesce(p.family_id, p.id)" if filters.collapse else "p.id",
            count="count(DISTINCT item)" if filters.collapse else "count(*)",
            missed=missed,
            joins=f"{AVAILABILITY if 'a.available' in used else ''} {UNIT_PRICE if 'unit.' in used else ''}",
            where=conditions.base,
            json_type=_JSON_TYPE,
            unit_price=UNIT_PRICE,
        )
    )
    query = PriceQuery(at, currency=filters.currency)
    return Facets.model_validate(await statement.fetchval(tx, query=query, **conditions.values))


def _of(conditions: Conditions) -> list[tuple[str, str]]:
    """A missing value makes a condition null, which is not met."""
    return [(name, f"coalesce({sql}, false)") for name, sql in conditions.of_facets.items()]
