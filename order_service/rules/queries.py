"""The statement that loads all rules."""

from pydantic import TypeAdapter

from order_service.pricing.promotions import Promotion
from order_service.pricing.rules import Rules
from order_service.pricing.tax import Taxes, TaxZone
from order_service.shipping.queries import ZONES, ZONES_JSON
from service_kit.database import AnySession, Statement

# One statement reads one snapshot, so the rules are those of this version.
LOAD = Statement(f"""
SELECT coalesce((SELECT version FROM commerce_rules WHERE id = 1), 0) AS version,
       (SELECT coalesce(json_agg(to_jsonb(z) || jsonb_build_object('rates', (
            SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.id), '[]') FROM tax_rates r WHERE r.zone_id = z.id
        )) ORDER BY z.id), '[]') FROM tax_zones z)::text AS tax_zones,
       {ZONES_JSON} AS shipping_zones,
       (SELECT coalesce(json_agg(to_jsonb(p) ORDER BY p.id), '[]') FROM promotions p
        WHERE p.status = 'active' AND (p.ends_at IS NULL OR p.ends_at > now()))::text AS promotions
""")
TAX_ZONES = TypeAdapter(tuple[TaxZone, ...])
PROMOTIONS = TypeAdapter(tuple[Promotion, ...])


async def load(db: AnySession, home_country: str | None) -> Rules:
    version, tax_zones, shipping_zones, promotions = await LOAD.fetchrow(db)
    return Rules(
        version=version,
        taxes=Taxes(TAX_ZONES.validate_json(tax_zones), home_country),
        shipping_zones=ZONES.validate_json(shipping_zones),
        promotions=PROMOTIONS.validate_json(promotions),
    )
