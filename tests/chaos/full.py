"""`python -m tests.chaos.full [NAME …] [--lanes N]`: runs every scenario and all long tests, or those that are named.

`--lanes` of them run at a time, each in a shop of its own; those that measure time run alone afterwards. The results
are stored in `seen.json` and written as a table into docs/reliability.md; logs and reports stay in
`.local/chaos-full`."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from local_stack.environment import ROOT
from local_stack.process import tail
from tests.chaos.run_scenario import Row
from tests.chaos.scenarios import ALL, BY_NAME
from tests.chaos.setup import errors, prepare_process

DIRECTORY = ROOT / ".local" / "chaos-full"
SEEN = Path(__file__).with_name("seen.json")
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos-full: begin -->", "<!-- chaos-full: end -->"
STATUS_SECONDS = 60.0
"""Seconds."""


class Group(NamedTuple):
    """Long tests: their paths, and what they check. `alone`: they measure time, so nothing else may run meanwhile."""

    paths: str
    promise: str
    alone: bool = False


GROUPS = {
    "long-soak": Group("tests/overload/test_soak.py", "half an hour at half of what it can"),
    "long-rolling": Group("tests/overload/test_rolling.py", "two replicas of each service replaced, 10 rounds"),
    "long-api": Group("tests/api", "Schemathesis, 1,000 examples for each service, and odd values everywhere"),
    "long-races": Group("tests/races", "races for stock and money, 20 rounds each"),
    "long-gateway": Group("tests/gateway_trials", "500 payments with a gateway that lies, forgets and repeats"),
    "long-model": Group("tests/model", "an order's life by chance, 5,000 steps"),
    "long-overload": Group("tests/overload/test_overload.py", "more than it can do, for 5 minutes", alone=True),
    "long-events": Group("service_kit", "poison and standstill with their real pauses", alone=True),
    "long-others": Group(
        "tests/drills tests/security tests/system user_service product_service", "what else takes long", alone=True
    ),
}
"""Crashes at failpoints are scenarios."""
NAMES = (*GROUPS, *BY_NAME)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.full", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these: {', '.join(NAMES)}")
    parser.add_argument("--lanes", type=int, default=2, help="how many at a time")
    wanted = parser.parse_args()
    names = wanted.names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    prepare_process()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    wrong = asyncio.run(_run(names, wanted.lanes))
    print(json.dumps({"scenarios": len(names), "violations": wrong}))
    sys.exit(1 if wrong else 0)


async def _run(names: Sequence[str], lanes: int) -> int:
    """Returns the number of violations."""
    alone = [name for name in names if name in GROUPS and GROUPS[name].alone]
    free = asyncio.Semaphore(lanes)

    async def in_turn(name: str) -> int:
        async with free:
            return await _one(name)

    async with asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(in_turn(name)) for name in names if name not in alone]
    return sum(task.result() for task in beside) + sum([await _one(name) for name in alone])


async def _one(name: str) -> int:
    """Runs the scenario or the group, and keeps its log and its row of the table."""
    began, started = datetime.now(UTC), time.monotonic()
    result = DIRECTORY / f"{name}.{'xml' if name in GROUPS else 'json'}"
    result.unlink(missing_ok=True)
    if name in GROUPS:
        command = ["-m", "pytest", "-v", "-m", "long", f"--junitxml={result}", *GROUPS[name].paths.split()]
    else:
        command = ["-m", "tests.chaos.run_scenario", name, str(DIRECTORY / name)]
    with _logged(name) as log:
        await _run_command(command, log)
    row = row_of_tests(result) if name in GROUPS else row_of_scenario(result)
    row = {"at": began.isoformat(timespec="seconds"), **row, "seconds": round(time.monotonic() - started)}
    keep(name, row)
    errors.print(f"{name}: {row['violations']} violations, {row['seconds']} s", markup=False)
    return int(row["violations"])


async def _run_command(command: Sequence[str], log: Path) -> None:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()  # it stops its shop first
            await process.wait()


@contextmanager
def _logged(name: str) -> Iterator[Path]:
    """Its log file; the last line of it is printed from time to time."""
    log = DIRECTORY / f"{name}.log"
    errors.print(f"{name}: {log}", markup=False)

    async def report_progress() -> None:
        while True:
            await asyncio.sleep(STATUS_SECONDS)
            errors.print(f"{name}: {tail(log, 1).strip()}", markup=False)

    pending = asyncio.create_task(report_progress())
    try:
        yield log
    finally:
        pending.cancel()


def row_of_scenario(result: Path) -> Row:
    """The results of a scenario; an aborted scenario counts as a violation."""
    if not result.exists():
        return {"faults": 0, "orders": 0, "violations": 1, "recovery_p50_s": 0.0, "recovery_p99_s": 0.0}
    row: Row = json.loads(result.read_text())
    return row


def row_of_tests(result: Path) -> Row:
    """How many tests passed, failed or were skipped. A failed test is a violation, and so are an aborted run and a run
    that found no test."""
    suite = ElementTree.parse(result).getroot().find("testsuite") if result.exists() else None
    if suite is None:
        return {"tests": 0, "violations": 1}
    tests, failures, wrong, skipped = (int(suite.get(n, 0)) for n in ("tests", "failures", "errors", "skipped"))
    return {"tests": tests - skipped, "skipped": skipped, "violations": failures + wrong or int(tests == skipped)}


def keep(name: str, row: Row) -> None:
    """Stores the results beside the earlier ones of other scenarios."""
    rows: dict[str, Row] = json.loads(SEEN.read_text()) if SEEN.exists() else {}
    rows[name] = row
    SEEN.write_text(json.dumps(rows, indent=2) + "\n")
    PAGE.write_text(between(PAGE.read_text(), table(rows)))


def table(rows: dict[str, Row]) -> str:
    lines = [
        "| scenario | what is done | faults | orders | violations | recovery p50 | p99 | seen |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for scenario in ALL:
        if row := rows.get(scenario.name):
            recovery = f"{row['recovery_p50_s']} s | {row['recovery_p99_s']} s"
            counts = f"{row['faults']} | {row['orders']:,} | {row['violations']}"
            lines.append(f"| `{scenario.name}` | {scenario.promise} | {counts} | {recovery} | {row['at'][:10]} |")
        else:
            lines.append(f"| `{scenario.name}` | {scenario.promise} | | | | | | not yet |")
    for name, group in GROUPS.items():
        row = rows.get(name)
        seen = f"{_tests(row)} | | {row['violations']} | | | {row['at'][:10]}" if row else "| | | | | not yet"
        lines.append(f"| `{name}` | {group.promise} | {seen} |")
    return "\n".join(lines)


def _tests(row: Row) -> str:
    skipped = row.get("skipped")
    return f"{row['tests']} tests, {skipped} skipped" if skipped else f"{row['tests']} tests"


def between(text: str, middle: str) -> str:
    """The page with `middle` between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}"


if __name__ == "__main__":
    main()
