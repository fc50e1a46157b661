"""Log lines of structlog and of the standard library have the same format."""

import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from pydantic_core import from_json

from service_kit.telemetry.logs import configure_logs
from service_kit.telemetry.tracing import continue_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before, configured = (root.handlers, root.level), structlog.get_config()
    yield
    root.handlers, root.level = before
    structlog.configure(**configured)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines, parsed strictly by RFC 8259; the parser of Python's `json` would accept `Infinity`."""
    return [from_json(line, allow_inf_nan=False) for line in capsys.readouterr().out.splitlines()]


def test_structlog_and_the_standard_library_write_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(service="note_service", level="INFO", style="json")
    with continue_trace(f"00-{TRACE}-b7ad6b7169203331-01"), structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("http").info("request", api_token="tok", path="/ä\n", id=UUID(int=1))
        structlog.get_logger("http").debug("not at this level")
        logging.getLogger("library").warning("a %s", "word")
    ours, theirs = lines(capsys)
    published = {"service": "note_service", "trace_id": TRACE, "request_id": "r-1"}
    assert ours | published == ours
    assert theirs | published == theirs
    assert (ours["event"], ours["logger"], ours["level"], ours["path"]) == ("request", "http", "info", "/ä\n")
    assert (ours["api_token"], ours["id"]) == ("[redacted]", str(UUID(int=1)))
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("a word", "library", "warning")
    assert ours["timestamp"].endswith("Z")


def test_values_of_any_type_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_a_terminal_gets_readable_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(service="note_service", level="INFO", style="console")
    structlog.get_logger("http").warning("odd", card_number="4711")
    written = capsys.readouterr().out
    assert "odd" in written
    assert "4711" not in written


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), float("nan"), {"deep": [float("inf")]}, "half \ud800",
                                 b"\xff", {"\ud800": float("nan")}, {("a", "key"): 1}, 10**400])  # fmt: skip
def test_every_line_is_strictly_json(capsys: pytest.CaptureFixture[str], odd: object) -> None:
    configure_logs(service="note_service", level="INFO", style="json")
    structlog.get_logger("http").info("odd", age=odd, beside="this")
    logging.getLogger("library").warning("%s", "this", extra={"age": odd})
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["beside"], theirs["event"]) == ("odd", "this", "this")


def test_nan_and_infinity_are_logged_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(service="note_service", level="INFO", style="json")
    structlog.get_logger("http").info("odd", age=float("inf"), deep=[float("nan"), 1.5])
    structlog.get_logger("http").info("odd", age=float("inf"), half="\ud800")
    for line in lines(capsys):
        assert line["age"] is None


ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202e\r\nforged line"


class _Odd:
    def __repr__(self) -> str:
        return ESCAPES


def test_control_characters_in_logs_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """This covers messages, values, keys, `repr` of objects and exceptions, from both logging libraries."""
    configure_logs(service="note_service", level="INFO", style="console")
    log = structlog.get_logger("http")
    log.info(ESCAPES, path=ESCAPES, thing=_Odd(), **{ESCAPES: 1})
    logging.getLogger("library").warning("a %s", ESCAPES)
    try:
        raise ValueError(ESCAPES)
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    written = capsys.readouterr().out
    assert {c for c in written if not c.isprintable()} == {"\n"}
    assert "\\x1b[2J" in written
    lines = written.splitlines()
    assert sum(line.startswith("forged line") for line in lines) == 2, "only tracebacks may have line breaks"
