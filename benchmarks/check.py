"""A short run for `make check`: fails if the ratio of a hot path to its reference is below half of the recorded one."""

import json
from typing import Any

from rich.console import Console

from benchmarks.cases import place_order, product_read
from benchmarks.report import RESULTS
from benchmarks.stage import Stage

GROSS_LOSS = 0.5
ROUNDS = 3


async def check(console: Console) -> int:
    """Returns the exit status. Only ratios within a run are compared, since a slow machine slows both sides equally."""
    recorded: dict[str, Any] = json.loads(RESULTS.read_text())["figures"]
    async with Stage() as stage:
        found = {**await place_order.quick_ratio(stage, ROUNDS), **await product_read.quick_ratio(stage, ROUNDS)}
    lost = 0
    for name, value in found.items():
        least = recorded[name] * GROSS_LOSS
        lost += value < least
        verdict = f"[red]below {least:.2f}: too slow" if value < least else "fine"
        console.print(f"{name}: {value:.2f} (recorded {recorded[name]}), {verdict}")
    return 1 if lost else 0
