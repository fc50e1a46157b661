"""Writes rules for taxes, shipping and promotions into the database, as staff would by the API."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from pydantic_core import to_jsonable_python as jsonable

from order_service.pricing.promotions import Promotion
from order_service.pricing.shipping import ShippingMethod
from order_service.pricing.tax import TaxZone
from order_service.promotions import models as promotions_models
from order_service.shipping import models as shipping_models
from order_service.taxes import models as tax_models
from order_service.tests.conftest import Shop


async def configure(
    shop: Shop,
    *,
    zones: Sequence[TaxZone] = (),
    methods: Sequence[ShippingMethod] = (),
    promotions: Sequence[Promotion] = (),
) -> None:
    """The methods are offered in every country."""
    async with shop.runtime.database.session() as tx:
        for zone in zones:
            columns = _columns(zone, "id", "rounding", "mode", "prices_include_tax")
            row = tax_models.TaxZone(**columns, name=str(uuid4()), countries=list(zone.countries), regions=[])
            tx.add(row)
            await tx.flush()
            tx.add_all(
                tax_models.TaxRate(
                    zone_id=zone.id, **_columns(rate, "tax_class", "rate", "name", "starts_at", "ends_at")
                )
                for rate in zone.rates
            )
        if methods:
            everywhere = shipping_models.ShippingZone(name="Everywhere", countries=[])
            tx.add(everywhere)
            await tx.flush()
            tx.add_all(_method(each, everywhere, n) for n, each in enumerate(methods))
        for promotion in promotions:
            columns = asdict(promotion) | {
                name: jsonable(asdict(getattr(promotion, name))) for name in ("effect", "scope", "conditions")
            }
            tx.add(promotions_models.Promotion(**columns, status="active"))
            await tx.flush()
            if promotion.use_limit is not None:
                tx.add(promotions_models.PromotionUses(promotion_id=promotion.id, most=promotion.use_limit))


async def add_code(shop: Shop, promotion: Promotion, code: str, most: int | None = None) -> None:
    async with shop.runtime.database.session() as tx:
        tx.add(promotions_models.PromotionCode(code=code, promotion_id=promotion.id, most=most))


def _method(
    method: ShippingMethod, zone: shipping_models.ShippingZone, position: int
) -> shipping_models.ShippingMethod:
    columns = asdict(method) | {"rates": jsonable([asdict(rate) for rate in method.rates])}
    return shipping_models.ShippingMethod(**columns, zone_id=zone.id, position=position)


def _columns(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}
