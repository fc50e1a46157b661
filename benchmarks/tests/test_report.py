"""The document says what results.json says, and pictures change only when figures do."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pictures, report
from benchmarks.figures import Result, Row, Spread

MACHINE = {"cores": 2, "cpu": "a processor", "PostgreSQL": "18.0", "Kafka": "4.0", "Python": "3.11.0"}
DOCUMENT = "before\n<!-- figures -->\nold\n<!-- /figures -->\nbetween\n<!-- pictures -->\n<!-- /pictures -->\nafter\n"


def result(median: float) -> Result:
    spread = Spread(median, median - 1, median + 1)
    return Result(
        figures={"speed": median},
        rows=[Row("a thing | done", spread, "things/s", "beside another", spread, Spread(1, 1, 1))],
        series={"place_order_latency_ms": [1.0, 2.0, 10.123456]},
    )


def recorded(**found: Result) -> dict[str, Any]:
    return report.merged({}, found, MACHINE, "2026-01-01")


def test_the_document_is_what_the_results_render() -> None:
    document = report.DOCUMENT.read_text()
    assert report.render(json.loads(report.RESULTS.read_text()), document) == document


def test_every_picture_of_the_document_exists() -> None:
    shown = pictures.drawable(report.series_of(json.loads(report.RESULTS.read_text())))
    assert [each.file for each in shown if not (report.PICTURES / each.file).exists()] == []


def test_a_case_that_was_not_measured_keeps_its_date() -> None:
    known = recorded(first=result(10), second=Result(figures={"other": 1}))
    merged = report.merged(known, {"first": result(20)}, MACHINE, "2026-02-02")
    assert merged["figures"] == {"speed": 20, "other": 1}
    assert {name: case["date"] for name, case in merged["cases"].items()} == {
        "first": "2026-02-02",
        "second": "2026-01-01",
    }


def test_only_text_between_the_markers_is_rendered_again() -> None:
    record = recorded(place_order=result(1234.567))
    rendered = report.render(record, DOCUMENT)
    assert "| a thing \\| done | 1,235 (1,234–1,236) | things/s | beside another |" in rendered
    assert "pictures/latency.svg" in rendered
    assert "old" not in rendered
    assert [line for line in rendered.splitlines() if line in ("before", "between", "after")] == [
        "before",
        "between",
        "after",
    ]
    assert report.render(json.loads(report.as_json(record)), rendered) == rendered


def test_a_document_without_markers_is_rejected() -> None:
    with pytest.raises(ValueError, match="markers"):
        report.render(recorded(first=result(1)), "no markers")


def test_the_same_figures_give_the_same_pictures(tmp_path: Path) -> None:
    series = {
        "place_order.place_order_by_connections": {"x": [1, 2, 4], "y": [100, 180, 300], "pgbench": [200, 300, 500]},
        "place_order.place_order_latency_ms": [1.0, 2.0, 10.0],
        "growth.growth": {"names": ["place", "list"], "ratios": [1.01, 1.15]},
    }
    for name in ("once", "again"):
        pictures.draw(series, tmp_path / name)
    files = {path.name: path.read_bytes() for path in (tmp_path / "once").iterdir()}
    assert set(files) == {"throughput.svg", "latency.svg", "growth.svg"}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert all(b"<dc:date>" not in content and len(content) < 60_000 for content in files.values())
