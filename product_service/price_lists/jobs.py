"""Writes and ends the prices of price lists, in batches."""

from datetime import timedelta

from product_service.price_lists import use_cases
from product_service.products.prior_prices import PriorPriceRule
from product_service.settings import Settings
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 500
"""The products of one transaction, which locks them."""


async def apply_price_lists(runtime: Runtime) -> bool:
    """Handles one batch. Returns whether there may be more."""
    rule = PriorPriceRule.of(runtime.resource(Settings))
    try:
        async with runtime.database.session() as tx:
            return await use_cases.apply_next(tx, rule, BATCH)
    except use_cases.Superseded:
        return True


JOBS = [Job("apply-price-lists", apply_price_lists, every=timedelta(seconds=5), woken_by=use_cases.SIGNAL)]
