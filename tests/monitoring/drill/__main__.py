"""`python -m tests.monitoring.drill [--fault 3,7]`: raises the alerts of deploy/monitoring in a shop of its own.

The report goes to `.local/drill-alerts/report.md`; the last line on stdout is one JSON object, progress goes to
stderr."""

import argparse
import asyncio
import json
import sys
import time

from local_stack.environment import ROOT
from tests.chaos.proxied import ProxiedShop
from tests.chaos.setup import errors, new_shop, prepare_process
from tests.monitoring.drill.bench import bench
from tests.monitoring.drill.faults import FAULTS, PARTS, Fault
from tests.monitoring.drill.report import figures, page
from tests.monitoring.drill.run import Drill
from tests.monitoring.servers import PACKAGES, missing

DIRECTORY = ROOT / ".local" / "drill-alerts"
REPORT = DIRECTORY / "report.md"
SETTINGS = {"ORDER_STUCK_AFTER": "PT15S"}
"""What takes minutes by default, and is no window of a rule."""


def main() -> None:
    parts = _parts()
    if needed := missing(*PACKAGES):
        sys.exit(f"The drill can't run; {needed}")
    prepare_process()
    began = time.monotonic()
    with new_shop(DIRECTORY, **SETTINGS) as shop:
        drill = asyncio.run(_execute(shop, parts))
    REPORT.write_text(page(drill, time.monotonic() - began))
    errors.print(f"The report: {REPORT}", markup=False)
    print(json.dumps(figures(drill)))
    sys.exit(1 if drill.wrong else 0)


def _parts() -> list[list[Fault]]:
    parser = argparse.ArgumentParser(prog="python -m tests.monitoring.drill", description=__doc__)
    listed = "; ".join(f"{number}: {fault.name}" for number, fault in FAULTS.items())
    parser.add_argument("--fault", default="", help=f"only these, separated by commas. {listed}")
    names = [name for name in parser.parse_args().fault.split(",") if name]
    if unknown := set(names) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    chosen = [FAULTS[name] for name in names or FAULTS]
    return [[fault for fault in part if fault in chosen] for part in PARTS]


async def _execute(shop: ProxiedShop, parts: list[list[Fault]]) -> Drill:
    async with bench(shop) as made:
        drill = Drill(made, lambda text: errors.print(text, markup=False))
        await drill.execute(parts)
    return drill


if __name__ == "__main__":
    main()
