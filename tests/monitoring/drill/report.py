"""The report of a drill."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.monitoring.drill.run import Drill


def page(drill: Drill, seconds: float) -> str:
    head = f"{datetime.now(UTC):%Y-%m-%d}, `make drill-alerts`: {seconds / 60:.0f} minutes"
    wrong = "".join(f"- {each}\n" for each in drill.wrong)
    return f"{head}, {len(drill.wrong)} not as expected.\n\n{wrong}\n{_table(drill)}\n"


def _table(drill: Drill) -> str:
    lines = [
        "| fault | alert | fires after | resolved after | other alerts |",
        "|---|---|--:|--:|---|",
        *_lines(drill),
    ]
    return "\n".join(lines)


def _lines(drill: Drill) -> Iterator[str]:
    before = ""
    for row in drill.rows:
        is_first, before = row.fault != before, row.fault
        besides = ", ".join(sorted(drill.besides.get(row.fault, ()))) if is_first else ""
        shown = row.fault if is_first else ""
        yield f"| {shown} | {row.expected} | {_seconds(row.fired)} | {_seconds(row.resolved)} | {besides} |"


def _seconds(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.0f} s"


def figures(drill: Drill) -> dict[str, Any]:
    return {
        "alerts": len(drill.rows),
        "fired": sum(row.fired is not None for row in drill.rows),
        "resolved": sum(row.resolved is not None for row in drill.rows),
        "wrong": drill.wrong,
    }
