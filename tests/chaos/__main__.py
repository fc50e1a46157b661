"""`python -m tests.chaos [--minutes 10] [--seed N] [--fault NAME,NAME]`: breaks a shop of its own and checks its books.

The last line on stdout is one JSON object; progress goes to stderr, the report to `.local/chaos/report.md`."""

import argparse
import asyncio
import json
import logging
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import SystemRandom

from rich.console import Console
from rich.live import Live
from rich.text import Text

from local_stack.environment import ROOT
from local_stack.shop import Shop
from tests.chaos.crowd import ChaosWorld
from tests.chaos.faults import FAULTS
from tests.chaos.proxied import ProxiedShop
from tests.chaos.report import Outcome, figures, line, page
from tests.chaos.run import Run
from tests.chaos.schedule import schedule

DIRECTORY = ROOT / ".local" / "chaos"
REPORT = DIRECTORY / "report.md"
SETTINGS = {
    "LOG_FORMAT": "json",
    "KAFKA_HEAP": "384m",
    "USER_PASSWORD_MEMORY_KIB": "1024",
    "USER_ACCESS_TOKEN_MINUTES": "60",
    "JWKS_REFRESH_SECONDS": "5",
    "ORDER_GATEWAY_TIMEOUT_SECONDS": "3",
}
SAID_EVERY = 10.0
"""Seconds between two status lines where nobody sees one that changes."""

errors = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    wanted = _arguments()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells us of each broker that we ended ourselves
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as on Ctrl-C, the shop is put down first
    with _shop() as shop:
        outcome = asyncio.run(_play(shop, wanted))
    REPORT.write_text(page(outcome, _command(wanted)))
    for violation in outcome.violations[:20]:
        errors.print(str(violation), markup=False)
    errors.print(f"The report: {REPORT}", markup=False)
    print(json.dumps(figures(outcome)))
    sys.exit(1 if outcome.violations else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="repeats its schedule of faults; one is made up without")
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


@contextmanager
def _shop() -> Iterator[Shop]:
    """A new one: what an earlier run left, killed or not, is ended and deleted. The logs of this one stay."""
    Shop(DIRECTORY).down()
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    settings = {**SETTINGS, "CRASH_POINTS": str(DIRECTORY / "crash-points")}
    shop = ProxiedShop(DIRECTORY, settings=settings, progress=lambda text: errors.print(text, markup=False))
    try:
        shop.up()
        yield shop
    finally:
        shop.down()


async def _play(shop: Shop, wanted: argparse.Namespace) -> Outcome:
    plan = schedule(wanted.seed, wanted.minutes * 60, wanted.fault)
    errors.print(f"{len(plan)} faults, seed {wanted.seed}: `{_command(wanted)}` repeats them.", markup=False)
    async with ChaosWorld(shop) as world:
        run = Run(world, wanted.seed, plan, wanted.minutes * 60, mails_too=True)
        async with _shown(run):
            return await run.play()


@asynccontextmanager
async def _shown(run: Run) -> AsyncIterator[None]:
    """One line that changes, or one after the other in a log."""
    with Live(console=errors, auto_refresh=False, transient=not errors.is_terminal) as live:

        async def show() -> None:
            while True:
                text = Text(line(run.so_far()))
                if errors.is_terminal:
                    live.update(text, refresh=True)
                else:
                    errors.print(text)
                await asyncio.sleep(0.5 if errors.is_terminal else SAID_EVERY)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()


if __name__ == "__main__":
    main()
