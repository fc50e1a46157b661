"""`python -m tests.chaos.full [NAME …]`: every scenario, and all long tests; or those that are named.

What was seen is kept in `.local/chaos-full/report.json`, scenario by scenario, and written as a table into
docs/reliability.md."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from local_stack.environment import ROOT
from local_stack.shop import Shop
from tests.chaos.crowd import PATIENCE, ChaosWorld
from tests.chaos.report import Outcome, page, percentile
from tests.chaos.run import DRAINED_WITHIN, Run
from tests.chaos.scenarios import ALL, BY_NAME, SEED, Scenario
from tests.chaos.stage import errors, keep_quiet, new_shop, shown

DIRECTORY = ROOT / ".local" / "chaos-full"
REPORT = DIRECTORY / "report.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos-full: begin -->", "<!-- chaos-full: end -->"
LONG = {
    "long-races": ("tests/races", "races for stock and money, 20 rounds each"),
    "long-gateway": ("tests/gateway_trials", "500 payments with a gateway that lies, forgets and repeats"),
    "long-model": ("tests/model", "an order's life by chance, 5,000 steps"),
    "long-events": ("service_kit", "poison and standstill with their real pauses"),
    "long-overload": ("tests/overload", "overload, rolling restarts, half an hour at half of what it can"),
    "long-api": ("tests/api", "Schemathesis, 1,000 examples for each service, and odd values everywhere"),
    "long-others": ("tests/security tests/system user_service", "what else takes long"),
}
"""Long tests beside the scenarios: where they are, and what they show. Crashes at named places are scenarios."""

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.full", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these: {', '.join([*BY_NAME, *LONG])}")
    names = parser.parse_args().names or [*BY_NAME, *LONG]
    if unknown := set(names) - {*BY_NAME, *LONG}:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    keep_quiet()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for name in names:
        errors.rule(name)
        row = long_tests(name) if name in LONG else play(BY_NAME[name])
        wrong += row["violations"]
        keep(name, row)
    print(json.dumps({"scenarios": len(names), "violations": wrong}))
    sys.exit(1 if wrong else 0)


def play(scenario: Scenario) -> Row:
    """In a shop of its own, whose logs stay until the next."""
    began = datetime.now(UTC)
    with new_shop() as shop:
        outcome = asyncio.run(_play(shop, scenario))
    (DIRECTORY / f"{scenario.name}.md").write_text(page(outcome, f"make chaos-full SCENARIO={scenario.name}"))
    return row_of(outcome, began)


async def _play(shop: Shop, scenario: Scenario) -> Outcome:
    async with ChaosWorld(shop, PATIENCE + (scenario.lasting or 0)) as world:
        patient = len(scenario.faults) == 1 and not scenario.orders
        # What piled up is caught up with in no longer than it took to pile up.
        drained_within = max(DRAINED_WITHIN, scenario.lasting or 0)
        run = Run(world, SEED, scenario.plan(), 0, scenario.rate, True, patient, scenario.orders, drained_within)
        async with shown(run):
            return await run.play()


def row_of(outcome: Outcome, began: datetime) -> Row:
    recoveries = outcome.recoveries()
    return {
        "at": began.isoformat(timespec="seconds"),
        "faults": sum(outcome.faults.values()),
        "orders": outcome.orders,
        "violations": len(outcome.violations),
        "recovery_p50_s": round(percentile(recoveries, 0.5), 1),
        "recovery_p99_s": round(percentile(recoveries, 0.99), 1),
        "seconds": round(outcome.elapsed),
    }


def long_tests(name: str) -> Row:
    """pytest's own; a test that fails is a violation."""
    began, started = datetime.now(UTC), time.monotonic()
    result = DIRECTORY / f"{name}.xml"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "long", f"--junitxml={result}", *LONG[name][0].split()]
    subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    passed, failed = counted(result)
    return {
        "at": began.isoformat(timespec="seconds"),
        "tests": passed + failed,
        "violations": failed,
        "seconds": round(time.monotonic() - started),
    }


def counted(result: Path) -> tuple[int, int]:
    """Tests that passed, and that did not; a run that broke off is one that did not."""
    if not result.exists():
        return 0, 1
    suite = ElementTree.parse(result).getroot().find("testsuite")
    numbers = (
        {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        if suite is not None
        else {}
    )
    failed = numbers.get("failures", 0) + numbers.get("errors", 0)
    return numbers.get("tests", 0) - failed - numbers.get("skipped", 0), failed


def keep(name: str, row: Row) -> None:
    """Beside what was seen of the others before."""
    rows: dict[str, Row] = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    rows[name] = row
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")
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
    for name, (_, promise) in LONG.items():
        row = rows.get(name)
        seen = f"{row['tests']} tests | | {row['violations']} | | | {row['at'][:10]}" if row else "| | | | | not yet"
        lines.append(f"| `{name}` | {promise} | {seen} |")
    return "\n".join(lines)


def between(text: str, middle: str) -> str:
    """The page with `middle` between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}"


if __name__ == "__main__":
    main()
