"""In every service, the log lines of a request name the account or API client that sent it."""

import json
import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
import structlog

from service_kit.http import middleware
from tests.harness import tokens
from tests.harness.service import NEEDED, serve

SERVICES = ("user", "product", "inventory", "order", "notification")


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before, configured = (root.handlers, root.level), structlog.get_config()
    yield
    root.handlers, root.level = before
    structlog.configure(**configured)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_log_line_names_the_user_or_the_api_client(
    service: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "log", structlog.get_logger("http"))  # a used logger keeps its old configuration
    settings = {"log_level": "INFO", "log_format": "json", **NEEDED.get(service, {})}
    async with serve(f"{service}_service", **settings) as served:
        person, program = uuid4(), uuid4()
        await served.client(tokens.token(role="Admin", user_id=person)).get("/dead-letters")
        await served.client(tokens.token(role="Admin", user_id=program, client_id=str(program))).get("/dead-letters")
        await served.client("nonsense").get("/dead-letters")
        await served.anonymous.get("/dead-letters")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"path":"/dead-letters"' in line]
    assert [(line.get("user_id"), line.get("client_id")) for line in found if line["event"] == "request"] == [
        (str(person), None),
        (None, str(program)),
        (None, None),
        (None, None),
    ]
