"""What a line of the log looks like, whoever writes it."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog

from service_kit.telemetry.logs import configure_logs
from service_kit.telemetry.tracing import continue_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_both_ways_of_logging_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(service="note_service", level="INFO", style="json")
    with continue_trace(f"00-{TRACE}-b7ad6b7169203331-01"), structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("http").info("request", api_token="tok", path="/ä\n", id=UUID(int=1))
        structlog.get_logger("http").debug("not at this level")
        logging.getLogger("library").warning("a %s", "word")
    ours, theirs = lines(capsys)
    told = {"service": "note_service", "trace_id": TRACE, "request_id": "r-1"}
    assert ours | told == ours
    assert theirs | told == theirs
    assert (ours["event"], ours["logger"], ours["level"], ours["path"]) == ("request", "http", "info", "/ä\n")
    assert (ours["api_token"], ours["id"]) == ("[redacted]", str(UUID(int=1)))
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("a word", "library", "warning")
    assert ours["timestamp"].endswith("Z")


def test_whatever_is_logged_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(service="note_service", level="INFO", style="json")
    log = structlog.get_logger("http")
    log.info("odd", bytes=b"\xff", half="\ud800", thing=object(), error=ValueError("x"), ratio=float("nan"))
    try:
        raise ValueError("so it is")
    except ValueError:
        log.exception("failed")
    odd, failed = lines(capsys)
    assert odd["event"] == "odd"
    assert (failed["level"], "ValueError: so it is" in failed["exception"]) == ("error", True)


def test_a_terminal_gets_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(service="note_service", level="INFO", style="console")
    structlog.get_logger("http").warning("odd", card_number="4711")
    written = capsys.readouterr().out
    assert "odd" in written
    assert "4711" not in written
