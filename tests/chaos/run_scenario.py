"""`python -m tests.chaos.run_scenario NAME DIRECTORY`: runs one scenario in a shop of its own, whose logs stay in that
directory.

Progress goes to stderr. It writes NAME.md (a timeline) and NAME.json (the figures) beside the directory."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from local_stack.shop import Shop
from tests.chaos.customers import TIMEOUT_SECONDS, ChaosWorld
from tests.chaos.report import Outcome, page, percentile
from tests.chaos.run import DRAINED_WITHIN, Run
from tests.chaos.scenarios import BY_NAME, SEED, Scenario
from tests.chaos.setup import new_shop, prepare_process, shown

Row = dict[str, Any]


def main() -> None:
    prepare_process()
    scenario, directory = BY_NAME[sys.argv[1]], Path(sys.argv[2])
    with new_shop(directory) as shop:
        outcome = asyncio.run(_execute(shop, scenario))
    directory.with_suffix(".md").write_text(page(outcome, f"make chaos-full SCENARIO={scenario.name}"))
    directory.with_suffix(".json").write_text(json.dumps(figures(outcome)))


async def _execute(shop: Shop, scenario: Scenario) -> Outcome:
    async with ChaosWorld(shop, TIMEOUT_SECONDS + (scenario.lasting or 0)) as world:
        one_at_a_time = len(scenario.faults) == 1 and not scenario.orders
        # The backlog may take as long to process as it took to build up.
        drained_within = max(DRAINED_WITHIN, scenario.lasting or 0)
        run = Run(world, SEED, scenario.plan(), 0, scenario.rate, True, one_at_a_time, scenario.orders, drained_within)
        async with shown(run):
            return await run.execute()


def figures(outcome: Outcome) -> Row:
    recoveries = outcome.recoveries()
    return {
        "faults": sum(outcome.faults.values()),
        "orders": outcome.orders,
        "violations": len(outcome.violations),
        "recovery_p50_s": round(percentile(recoveries, 0.5), 1),
        "recovery_p99_s": round(percentile(recoveries, 0.99), 1),
    }


if __name__ == "__main__":
    main()
