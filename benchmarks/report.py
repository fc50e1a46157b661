"""Stores results in results.json, and renders from it the tables and pictures of docs/performance.md."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.figures import ROUNDS, Result, Row, Spread
from local_stack.environment import ROOT
from local_stack.jars import kafka_version
from local_stack.postgres import binaries
from service_kit.clock import utcnow

RESULTS = ROOT / "benchmarks" / "results.json"
DOCUMENT = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "pictures"
LEAST_ROUNDS = 5

Record = dict[str, Any]
"""The content of results.json: `figures` by name, and `cases`, each with its date, machine, rows and series."""


def write(found: Mapping[str, Result]) -> bool:
    """Replaces the stored results of these cases. Short runs with fewer rounds are not stored."""
    if ROUNDS < LEAST_ROUNDS:
        return False
    known: Record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    record = merged(known, found, machine(), utcnow().date().isoformat())
    RESULTS.write_text(as_json(record))
    pictures.draw(series_of(record), PICTURES)
    DOCUMENT.write_text(render(record, DOCUMENT.read_text()))
    return True


def merged(known: Record, found: Mapping[str, Result], machine: Mapping[str, Any], date: str) -> Record:
    """Keeps the results of cases that were not measured now, with their date and machine."""
    cases = dict(known.get("cases", {}))
    for name, result in found.items():
        cases[name] = {
            "date": date,
            "machine": dict(machine),
            "figures": result.figures,
            "rows": [_plain_row(row) for row in result.rows],
            "series": _rounded(result.series),
        }
    figures = {name: value for case in cases.values() for name, value in case["figures"].items()}
    return {"figures": figures, "cases": cases}


def series_of(record: Record) -> dict[str, Any]:
    return {f"{case}.{name}": data for case, kept in record["cases"].items() for name, data in kept["series"].items()}


def as_json(record: Record) -> str:
    """Indented, but with lists of numbers on one line."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


# --- docs/performance.md ---


def render(record: Record, document: str) -> str:
    """The document, with the text between its markers rendered again."""
    for name, content in (("figures", _figures(record)), ("pictures", _pictures(record))):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{DOCUMENT.name} needs the markers <!-- {name} --> and <!-- /{name} -->")
        document = before + begin + content + end + after
    return document


def _figures(record: Record) -> str:
    lines = ["| what | measured | | beside it | | ratio |", "|---|--:|---|---|--:|--:|"]
    for case in record["cases"].values():
        lines += [_table_line(row) for row in case["rows"]]
    return "\n".join([*_measured_where(record), "", *lines, ""])


def _measured_where(record: Record) -> list[str]:
    """A line for each day and machine, because some rows of the table may be older than others."""
    cases_by_origin: dict[str, list[str]] = {}
    for name, case in record["cases"].items():
        machine = case["machine"]
        versions = ", ".join(f"{what} {machine[what]}" for what in ("PostgreSQL", "Kafka", "Python"))
        origin = f"{case['date']}, {machine['cores']} cores of {machine['cpu']}, {versions}"
        cases_by_origin.setdefault(origin, []).append(name)
    if len(cases_by_origin) == 1:
        return [f"Measured {origin}. Median (least–most) of the rounds." for origin in cases_by_origin]
    return [f"- {', '.join(names)}: {origin}" for origin, names in cases_by_origin.items()]


def _table_line(row: Mapping[str, Any]) -> str:
    measured, limit, ratio = (_shown(row[name]) for name in ("measured", "limit", "ratio"))
    cells = [row["what"], measured, row["unit"], row["beside"], limit, ratio]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(spread: Mapping[str, float] | None) -> str:
    """A figure with its spread, unless it was measured once or is a target."""
    if spread is None:
        return ""
    shown = str(Spread(**spread))
    return shown if spread["low"] < spread["high"] else shown.partition(" ")[0]


def _pictures(record: Record) -> str:
    shown = pictures.drawable(series_of(record))
    return "".join(f"![{each.caption}]({PICTURES.name}/{each.file})\n\n{each.caption}.\n\n" for each in shown)


# --- the stored record ---


def machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu(),
        "PostgreSQL": _postgres_version(),
        "Kafka": kafka_version(),
        "Python": platform.python_version(),
    }


def _cpu() -> str:
    """The name of the CPU: on Linux from /proc, elsewhere from Python."""
    described = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", described.read_text(), re.M) if described.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def _postgres_version() -> str:
    command = [str(binaries() / "postgres"), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2]


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "measured": _plain_spread(row.measured),
        "unit": row.unit,
        "beside": row.beside,
        "limit": _plain_spread(row.limit),
        "ratio": _plain_spread(row.ratio),
    }


def _plain_spread(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else {name: _rounded(getattr(spread, name)) for name in ("median", "low", "high")}


def _rounded(value: Any) -> Any:
    """Rounds numbers to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
