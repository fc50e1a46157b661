"""Sets prices by rules, and forgets old demand."""

from datetime import timedelta

from product_service.price_rules import queries, use_cases
from product_service.products.prior_prices import PriorPriceRule
from product_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 200
"""The products of one transaction, which locks them."""


async def apply_price_rules(runtime: Runtime) -> bool:
    """Handles one batch. Returns whether there may be more."""
    async with runtime.database.session() as tx:
        await use_cases.follow_time(tx)
    prior = PriorPriceRule.of(runtime.resource(Settings))
    async with runtime.database.session() as tx:
        return await use_cases.apply_next(tx, prior, BATCH)


async def prune_demand(runtime: Runtime) -> None:
    """Deletes the demand of days that no rule can look back to."""
    async with runtime.database.transaction() as tx:
        await queries.PRUNE_DEMAND.execute(tx, before=utcnow().date() - timedelta(days=queries.MAX_DEMAND_DAYS + 1))


JOBS = [
    Job(
        "apply-price-rules",
        apply_price_rules,
        every=timedelta(seconds=30),
        woken_by=use_cases.SIGNAL,
        at_most_every=timedelta(seconds=1),
    ),
    Job("prune-product-demand", prune_demand, every=timedelta(days=1)),
]
