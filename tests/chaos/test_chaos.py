"""A short run with mixed faults while customers buy: every order, unit and penny is counted once."""

from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld
from tests.chaos.run import Run
from tests.chaos.schedule import schedule

SEED = 80
SECONDS = 55.0
QUICK = (
    *("kill-service", "kill-several", "kill-broker", "broker-away", "kill-postgres", "kill-gateway", "kill-mailbox"),
    *("freeze-service", "freeze-of-two", "restart-service", "long-transaction"),
)
"""Crashes at failpoints and network faults have tests of their own."""


async def test_a_short_run_of_mixed_faults_loses_and_duplicates_nothing(shop: Shop) -> None:
    plan = schedule(SEED, SECONDS, QUICK)
    async with ChaosWorld(shop) as world:
        outcome = await Run(world, SEED, plan, SECONDS).execute()
    assert [str(violation) for violation in outcome.violations[:20]] == [], f"{len(outcome.violations)} violations"
    assert len(outcome.injected) == len(plan)
    assert outcome.orders > SECONDS
