"""In Swagger UI every operation has one tag and a unique summary, which is an imperative phrase."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from sandbox.gateway.main import create as gateway
from sandbox.gateway.settings import GatewaySettings
from sandbox.mailbox.main import create as mailbox
from sandbox.mailbox.settings import MailboxSettings
from tests.security.operations import METHODS, SERVICES, app

APPS = (*SERVICES, "gateway", "mailbox")
VERBS = frozenset(
    """Activate Add Adjust Approve Cancel Capture Change Check Claim Close Confirm Correct Count Create Delete
    Disable Discard Dispatch Empty Enable End Erase Export Get Import List Mark Merge Pay Place Preview Publish
    Quote Receive Record Refund Reject Remove Replace Request Reset Retry Revoke Schedule Send Sign Search Start
    Verify Withdraw""".split()  # noqa: SIM905 (a list of them fills a page)
)


@pytest.fixture(scope="module", params=APPS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    stored: dict[str, Any] = {"SANDBOX_DATA_DIR": tmp_path_factory.mktemp("sandbox")}
    if request.param == "gateway":
        return gateway(GatewaySettings(GATEWAY_API_KEY="x", GATEWAY_WEBHOOK_SECRET="x", **stored))
    return mailbox(MailboxSettings(**stored)) if request.param == "mailbox" else app(request.param)


def _operations(served: FastAPI) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in served.openapi()["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def test_every_operation_has_one_tag(served: FastAPI) -> None:
    found = {name: operation.get("tags", []) for name, operation in _operations(served)}
    assert len(found) >= 7
    assert not {name: tags for name, tags in found.items() if len(tags) != 1}


def test_every_summary_is_an_imperative_phrase(served: FastAPI) -> None:
    found = {name: operation["summary"] for name, operation in _operations(served)}
    assert not {name: text for name, text in found.items() if text.split()[0] not in VERBS}
    assert not {name: text for name, text in found.items() if len(text.split()) < 2 or text[-1] in ".!?:;"}


def test_summaries_are_unique(served: FastAPI) -> None:
    counts = Counter(operation["summary"] for _, operation in _operations(served))
    assert not [text for text, count in counts.items() if count > 1]


def test_every_operation_of_a_service_is_described(served: FastAPI) -> None:
    """This includes the sandbox's operations, except its health checks."""
    found = {name: operation.get("description", "") for name, operation in _operations(served)}
    assert not [name for name, text in found.items() if not text and "/health/" not in name]
