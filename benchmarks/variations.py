"""A catalogue of 100,000 products: the names of the data set, with variations."""

from benchmarks.goods import goods
from benchmarks.stage import connected

PRODUCTS = 100_000
_REGISTRY = """
INSERT INTO attributes (id, name, kind, facet, position, labels, version, created_at, updated_at)
SELECT uuidv7(), name, kind, true, position, '{}', 1, now(), now()
FROM unnest(ARRAY['colour', 'material', 'height_mm', 'washable'], ARRAY['text', 'text', 'number', 'boolean'])
     WITH ORDINALITY AS registered (name, kind, position)
"""
_CATEGORIES = """
INSERT INTO categories (id, name, slug, version, created_at)
SELECT md5('category' || n)::uuid, 'Category ' || n, 'category-' || n, 1, now() FROM generate_series(0, 199) AS n
"""
# Every third product of the data set becomes a family.
_FAMILIES = """
INSERT INTO families (id, name, slug, category_id, options, version, created_at, updated_at)
SELECT md5('family' || sku)::uuid, name, 'family-' || lower(sku), md5('category' || n % 200)::uuid,
       '[{"name": "colour", "values": ["red", "white", "blue", "green"]}, {"name": "size", "values": ["S", "M", "L"]}]',
       1, now(), now()
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS goods (sku, name, n) WHERE n % 3 = 0
"""
_VARIATIONS = """
INSERT INTO products (id, sku, slug, name, sort_key, attributes, category_id, family_id, options, brand, price_amount,
                      price_currency, status, version, created_at, updated_at)
SELECT uuidv7(), sku || '-' || copy, lower(sku) || '-' || copy, variation, lower(variation),
       jsonb_build_object('colour', colour, 'material', material, 'height_mm', 10 * (copy * 7 % 30),
                          'washable', copy % 2 = 0),
       md5('category' || n % 200)::uuid,
       CASE WHEN is_variant THEN md5('family' || sku)::uuid END,
       CASE WHEN is_variant THEN jsonb_build_object('colour', colour, 'size', size) ELSE '{}' END,
       'Brand ' || n % 60, price + copy, 'GBP', 'active', 1, now() - make_interval(secs => n * 50 + copy), now()
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS goods (sku, name, price, n)
CROSS JOIN generate_series(0, $4 - 1) AS copy
CROSS JOIN LATERAL (
    SELECT n % 3 = 0 AND copy < 12 AS is_variant,
           (ARRAY['red', 'white', 'blue', 'green', 'black', 'yellow', 'ivory', 'pink'])[1 + copy / 3 % 8] AS colour,
           (ARRAY['S', 'M', 'L'])[1 + copy % 3] AS size,
           (ARRAY['wood', 'metal', 'glass', 'paper', 'cotton'])[1 + (n * 3 + copy) % 5] AS material
) AS varied
CROSS JOIN LATERAL (
    SELECT name || CASE WHEN copy = 0 THEN '' ELSE ', ' || colour || ' ' || material END
) AS named (variation)
"""
_STOCK = """
INSERT INTO availability (product_id, on_hand, reserved, available, version, updated_at)
SELECT id, 120, 8, hashtext(sku) % 3, 1, now() FROM products
"""
# Every tenth product is on sale.
_PRICES = """
INSERT INTO prices (id, product_id, amount, currency, min_quantity, starts_at, created_at)
SELECT uuidv7(), id, greatest(1, price_amount * 4 / 5), 'GBP', 1, now(), now() FROM products
WHERE hashtext(sku) % 10 = 0
"""


async def fill_variations(product_database: str) -> int:
    """Fills the catalogue of the product service. Returns the number of products."""
    every = goods()
    named = [good.sku for good in every], [good.name for good in every]
    copies = -(-PRODUCTS // len(every))
    async with connected(product_database) as connection:
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_REGISTRY)
        await connection.execute(_CATEGORIES)
        await connection.execute(_FAMILIES, *named)
        await connection.execute(_VARIATIONS, *named, [good.price for good in every], copies)
        await connection.execute(_STOCK)
        await connection.execute(_PRICES)
        await connection.execute("VACUUM (ANALYZE)")
        return int(await connection.fetchval("SELECT count(*) FROM products"))
