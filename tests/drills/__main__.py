"""`make drill NAME=restore` (or another of `DRILLS`): a drill on a shop of its own, and its books afterwards.

The last line on stdout is one JSON object; progress goes to stderr. It fails if the books don't agree."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from local_stack.environment import ROOT
from tests.chaos.setup import errors, new_shop, prepare_process
from tests.drills import rotation
from tests.drills.brokers import lose_brokers, three_brokers
from tests.drills.primary import lose_primary
from tests.drills.restore import EVERY_SERVICE, Plan, restore

DIRECTORY = ROOT / ".local" / "drills"


def _restore(directory: Path, services: tuple[str, ...]) -> Any:
    with new_shop(DIRECTORY / "shop") as shop:
        return asyncio.run(restore(shop, directory, plan=Plan(services, before=30, lost=25, after=15)))


def _primary(directory: Path) -> Any:
    with new_shop(DIRECTORY / "shop") as shop:
        return asyncio.run(lose_primary(shop, directory))


def _brokers(directory: Path) -> Any:
    with (
        three_brokers(directory) as brokers,
        new_shop(DIRECTORY / "shop", KAFKA_BOOTSTRAP_SERVERS=brokers.addresses) as shop,
    ):
        return asyncio.run(lose_brokers(shop, brokers))


def _rotation(directory: Path) -> Any:
    directory.mkdir(parents=True, exist_ok=True)
    with rotation.broker(directory) as (kafka, settings), new_shop(DIRECTORY / "shop", **settings) as shop:
        return asyncio.run(rotation.rotate_secrets(shop, kafka))


DRILLS: dict[str, Callable[[Path], Any]] = {
    "restore": partial(_restore, services=("order",)),
    "restore-all": partial(_restore, services=EVERY_SERVICE),
    "primary": _primary,
    "brokers": _brokers,
    "rotation": _rotation,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("drill", choices=DRILLS)
    name = parser.parse_args().drill
    prepare_process()
    result = asdict(DRILLS[name](DIRECTORY / name))
    for violation in result["violations"][:20]:
        errors.print(violation, markup=False)
    print(json.dumps(result))
    sys.exit(1 if result["violations"] else 0)


if __name__ == "__main__":
    main()
