"""Taxes and a shipping method that an order is priced by, as a shop in one country has them."""

from benchmarks.stage import connected

_KNOWS_TAXES = "SELECT to_regclass('tax_zones') IS NOT NULL"
_CONFIGURE = """
WITH zone AS (
    INSERT INTO tax_zones (id, name, countries, regions, rounding, mode, prices_include_tax, version, created_at)
    VALUES (gen_random_uuid(), 'United Kingdom', '{GB}', '{}', 'line', 'half_up', true, 1, now()) RETURNING id
), rate AS (
    INSERT INTO tax_rates (id, zone_id, tax_class, rate, name, version, created_at)
    SELECT gen_random_uuid(), id, 'standard', 200000, 'VAT', 1, now() FROM zone
), area AS (
    INSERT INTO shipping_zones (id, name, countries, regions, postal_prefixes, version, created_at)
    VALUES (gen_random_uuid(), 'Everywhere', '{}', '{}', '{}', 1, now()) RETURNING id
)
INSERT INTO shipping_methods (id, zone_id, code, name, kind, tax, rates, free_from, min_days, max_days,
                              default_weight, position, status, version, created_at)
SELECT gen_random_uuid(), id, 'post', 'Post', 'delivery', 'follows_goods',
       '[{"currency": "GBP", "by": "total", "from_value": 0, "amount": 399}]', '{}', 2, 4, 0, 0, 'active', 1, now()
FROM area
"""


async def configure(order_database: str) -> None:
    """Does nothing in the database of a checkout from before there were taxes, which `compare` can name."""
    async with connected(order_database) as connection:
        if await connection.fetchval(_KNOWS_TAXES):
            await connection.execute(_CONFIGURE)
