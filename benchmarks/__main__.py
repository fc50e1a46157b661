"""`python -m benchmarks [case …]`: measures, prints and stores results. `python -m benchmarks check`: a short run.
`python -m benchmarks compare DIRECTORY [case …]`: compares another checkout with this one.
`python -m benchmarks tracing [share]`: compares placing an order without spans and with them.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from rich.console import Console
from rich.table import Table

from benchmarks import report
from benchmarks.check import check
from benchmarks.compare import compare, compare_tracing
from benchmarks.figures import Result
from benchmarks.stage import Stage

# Cases that start the whole shop come last, so that it does not use the CPU during the others.
CASES = (
    *(
        "place_order",
        "codes",
        "product_read",
        "large_orders",
        "token_check",
        "reserve",
        "relay",
        "consumer",
        "event_latency",
        "growth",
        "search",
        "typos",
        "idle",
    ),
    *("checkout", "order_latency", "order_to_paid", "race", "whole_flow", "flow_floor", "sizing"),
)


async def _measure(names: Sequence[str], console: Console, *, runs_all: bool) -> dict[str, Result]:
    """The results of the cases. If one fails, its error is printed and the next one runs."""
    found: dict[str, Result] = {}
    async with Stage() as stage:
        stage.runs_all = runs_all
        for name in names:
            console.print(f"[bold]{name}")
            try:
                found[name] = await import_module(f"benchmarks.cases.{name}").measure(stage)
            except Exception:
                traceback.print_exc()
            else:
                console.print(_table(found[name]))
    return found


def _table(result: Result) -> Table:
    table = Table(show_header=False, box=None)
    for row in result.rows:
        table.add_row(row.what, str(row.measured), row.unit, row.beside, str(row.limit or ""), str(row.ratio or ""))
    return table


def main() -> None:
    console = Console(stderr=True, width=160)
    names = tuple(sys.argv[1:])
    if names == ("check",):
        sys.exit(asyncio.run(check(console)))
    if names[:1] == ("compare",):
        sys.exit(asyncio.run(compare(console, names[1:])))
    if names[:1] == ("tracing",):
        sys.exit(asyncio.run(compare_tracing(console, names[1:])))
    if unknown := set(names) - set(CASES):
        sys.exit(f"There is no benchmark '{unknown.pop()}': it is one of {', '.join(CASES)}.")
    found = asyncio.run(_measure(names or CASES, console, runs_all=not names))
    if not report.write(found):
        console.print(f"Fewer than {report.LEAST_ROUNDS} rounds: the results are not stored.")
    print(json.dumps({name: value for result in found.values() for name, value in result.figures.items()}))
    sys.exit(len(found) < len(names or CASES))


if __name__ == "__main__":
    main()
