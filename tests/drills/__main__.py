"""`python -m tests.drills restore|restore-all|primary`: a drill on a shop of its own, and its books afterwards.

The last line on stdout is one JSON object; progress goes to stderr. It fails if the books don't agree."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from local_stack.environment import ROOT
from local_stack.shop import Shop
from tests.chaos.setup import errors, new_shop, prepare_process
from tests.drills.primary import lose_primary
from tests.drills.restore import EVERY_SERVICE, Plan, restore

DIRECTORY = ROOT / ".local" / "drills"
Drill = Callable[[Shop, Path], Coroutine[Any, Any, Any]]

DRILLS: dict[str, Drill] = {
    "restore": partial(restore, plan=Plan(("order",), before=30, lost=25, after=15)),
    "restore-all": partial(restore, plan=Plan(EVERY_SERVICE, before=30, lost=25, after=15)),
    "primary": lose_primary,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("drill", choices=DRILLS)
    name = parser.parse_args().drill
    prepare_process()
    with new_shop(DIRECTORY / "shop") as shop:
        result = asdict(asyncio.run(DRILLS[name](shop, DIRECTORY / name)))
    for violation in result["violations"][:20]:
        errors.print(violation, markup=False)
    print(json.dumps(result))
    sys.exit(1 if result["violations"] else 0)


if __name__ == "__main__":
    main()
