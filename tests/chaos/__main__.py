"""`python -m tests.chaos [--minutes 10] [--seed N] [--fault NAME,NAME]`: injects faults into a shop of its own and
checks its books.

The last line on stdout is one JSON object; progress goes to stderr, the report to `.local/chaos/report.md`."""

import argparse
import asyncio
import json
import sys
from random import SystemRandom

from local_stack.environment import ROOT
from local_stack.shop import Shop
from tests.chaos.customers import ChaosWorld
from tests.chaos.faults import FAULTS
from tests.chaos.report import Outcome, figures, page
from tests.chaos.run import Run
from tests.chaos.schedule import schedule
from tests.chaos.setup import errors, new_shop, prepare_process, shown

DIRECTORY = ROOT / ".local" / "chaos"
REPORT = DIRECTORY / "report.md"


def main() -> None:
    wanted = _arguments()
    prepare_process()
    with new_shop(DIRECTORY) as shop:
        outcome = asyncio.run(_execute(shop, wanted))
    REPORT.write_text(page(outcome, _command(wanted)))
    for violation in outcome.violations[:20]:
        errors.print(str(violation), markup=False)
    errors.print(f"The report: {REPORT}", markup=False)
    print(json.dumps(figures(outcome)))
    sys.exit(1 if outcome.violations else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="repeats its schedule of faults; the default is random")
    parser.add_argument("--fault", default="", help=f"only these, separated by commas: {', '.join(FAULTS)}")
    wanted = parser.parse_args()
    wanted.seed = SystemRandom().randrange(2**31) if wanted.seed is None else wanted.seed
    wanted.fault = [name for name in wanted.fault.split(",") if name]
    if unknown := set(wanted.fault) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if not schedule(wanted.seed, wanted.minutes * 60, wanted.fault):
        parser.error("too short for a single fault: give it more minutes")
    return wanted


def _command(wanted: argparse.Namespace) -> str:
    only = f" FAULT={','.join(wanted.fault)}" if wanted.fault else ""
    return f"make chaos MINUTES={wanted.minutes:g} SEED={wanted.seed}{only}"


async def _execute(shop: Shop, wanted: argparse.Namespace) -> Outcome:
    plan = schedule(wanted.seed, wanted.minutes * 60, wanted.fault)
    errors.print(f"{len(plan)} faults, seed {wanted.seed}: `{_command(wanted)}` repeats them.", markup=False)
    async with ChaosWorld(shop) as world:
        run = Run(world, wanted.seed, plan, wanted.minutes * 60, wait_for_mails=True)
        async with shown(run):
            return await run.execute()


if __name__ == "__main__":
    main()
