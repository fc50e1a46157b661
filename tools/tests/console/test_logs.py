import json
from pathlib import Path
from typing import Any

import pytest

from local_stack.layout import Layout
from local_stack.parts import part
from tools.console.logs import MOST_LINES, Line, parse, search

TRACE, OTHER = "ab" * 16, "cd" * 16
ORDER = part("order")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / ".local" / "logs").mkdir(parents=True)
    return Layout(tmp_path)


def _line(trace: str, second: int, **fields: Any) -> str:
    entry = {
        "timestamp": f"2026-01-01T10:00:{second:02}.000000Z",
        "level": "info",
        "event": "request",
        "trace_id": trace,
    }
    return json.dumps({**entry, **fields}, separators=(",", ":")) + "\n"  # as our logs are


def _events(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(line["service"], line["event"]) for line in found["lines"]]


def test_a_trace_is_found_in_all_services_and_in_rotated_files_by_time(layout: Layout) -> None:
    layout.log(ORDER).with_name("order.log.1").write_text(_line(TRACE, 1, event="first") + _line(OTHER, 2))
    layout.log(ORDER).write_text(_line(TRACE, 4, event="third"))
    layout.log(part("inventory")).write_text(_line(TRACE, 3, event="second") + "no line of ours\n")
    found = search(layout, TRACE, "")
    assert _events(found) == [("order", "first"), ("inventory", "second"), ("order", "third")]


def test_only_complete_new_lines_follow(layout: Layout) -> None:
    log = layout.log(ORDER)
    log.write_text(_line(TRACE, 1, event="first"))
    before = search(layout, TRACE, "")
    half = _line(TRACE, 2, event="second")
    with log.open("a") as file:
        file.write(half[:30])
    assert search(layout, TRACE, before["position"])["lines"] == []
    with log.open("a") as file:
        file.write(half[30:])
    assert _events(search(layout, TRACE, before["position"])) == [("order", "second")]


def test_nothing_is_lost_or_repeated_when_a_log_is_rotated(layout: Layout) -> None:
    log = layout.log(ORDER)
    log.write_text(_line(TRACE, 1, event="first"))
    before = search(layout, TRACE, "")
    with log.open("a") as file:
        file.write(_line(TRACE, 2, event="second"))
    log.rename(log.with_name("order.log.1"))
    log.write_text(_line(TRACE, 3, event="third"))
    assert _events(search(layout, TRACE, before["position"])) == [("order", "second"), ("order", "third")]


def test_without_a_trace_the_last_warnings_and_errors_are_found(layout: Layout) -> None:
    text = "2026-01-01T10:00:05.000000Z [warning  ] broker_unavailable             [a.b] problem=gone service=order\n"
    layout.log(ORDER).write_text(_line(TRACE, 1) + _line(TRACE, 2, level="error", event="failed") + text)
    assert _events(search(layout, "", "")) == [("order", "failed"), ("order", "broker_unavailable")]


def test_lines_beyond_the_limit_are_counted(layout: Layout) -> None:
    layout.log(ORDER).write_text(_line(TRACE, 1) * (MOST_LINES + 3))
    found = search(layout, TRACE, "")
    assert (len(found["lines"]), found["left_out"]) == (MOST_LINES, 3)


@pytest.mark.parametrize("position", ["../../etc:1:2", "order:x:1", "order:1:1,", "x" * 100_000])
def test_a_position_that_is_none_of_ours_is_ignored(layout: Layout, position: str) -> None:
    layout.log(ORDER).write_text(_line(TRACE, 1))
    assert len(search(layout, TRACE, position)["lines"]) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            f"2026-01-01T10:00:05.1Z [info     ] request                   [a.b] ms=3.1 service=order trace_id={TRACE}",
            Line("2026-01-01T10:00:05.1Z", "order", "info", "request", "ms=3.1"),
        ),
        (
            '{"ms":3.1,"event":"<b>","level":"info","timestamp":"2026-01-01T10:00:05.1Z","service":"order"}',
            Line("2026-01-01T10:00:05.1Z", "order", "info", "<b>", "ms=3.1"),
        ),
        ("{not JSON", Line("", "order", "", "{not JSON", "")),
        ("Traceback (most recent call last):", Line("", "order", "", "Traceback (most recent call last):", "")),
    ],
)
def test_lines_of_both_formats_and_others_are_read(text: str, line: Line) -> None:
    assert parse("order", text) == line
