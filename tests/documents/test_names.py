"""Documents name only files, operations, settings and other names that exist."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from contracts.events import EVENTS
from contracts.permissions import Permission
from local_stack.environment import ROOT
from order_service.payments.gateways.sandbox import KNOWN_EVENTS
from sandbox.gateway.main import create as gateway
from sandbox.gateway.settings import GatewaySettings
from sandbox.mailbox.main import create as mailbox
from sandbox.mailbox.settings import MailboxSettings
from service_kit.http.operations import operations_app
from tests.documents.names import Tree, missing
from tests.security.operations import SERVICES, app

LEAST_DOCUMENTS = 30
PAGES = {("GET", path) for path in ("/docs", "/redoc", "/openapi.json", "/")}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    stored: dict[str, Any] = {"SANDBOX_DATA_DIR": tmp_path_factory.mktemp("sandbox")}
    apps = [
        *(app(service) for service in SERVICES),
        gateway(GatewaySettings(GATEWAY_API_KEY="x", GATEWAY_WEBHOOK_SECRET="x", **stored)),
        mailbox(MailboxSettings(**stored)),
    ]
    operations = {
        (method.upper(), path)
        for each in apps
        for path, methods in each.openapi()["paths"].items()
        for method in methods
    }
    operations |= {("GET", path) for path in _paths(operations_app(apps[0].state.runtime, dict))}
    return Tree(
        ROOT,
        operations=operations | PAGES,
        permissions={str(each) for each in Permission},
        events={event.type for event in EVENTS} | KNOWN_EVENTS,
        sources={event.source for event in EVENTS},
        settings=set(_settings()),
    )


def _paths(operations: Starlette) -> list[str]:
    return [route.path for route in operations.routes if isinstance(route, Route)]


def _settings() -> Iterator[str]:
    for service in SERVICES:
        for field in importlib.import_module(f"{service}_service.settings").Settings.model_fields:
            yield from (field.upper(), f"{service}_{field}".upper())


def test_documents_name_only_what_exists(tree: Tree) -> None:
    assert len(tree.documents) >= LEAST_DOCUMENTS
    found = [
        problem for document in tree.documents for problem in missing(tree, document, (ROOT / document).read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "see `service_kit/http/no_such_file.py`",
        "see `local_stack/demo.py`",
        "see `orders/models.py::test_that_is_not_there`",
        "see [there](docs/no-such-page.md)",
        "`ORDER_NO_SUCH_SETTING` says how long",
        "it needs `orders:fly`",
        "it publishes `order.evaporated`",
        "it publishes `mart.order.evaporated.v1`",
        "`POST /orders/{id}/evaporate` ends it",
        "`GET/DELETE /orders/{id}` shows it",
        "`/orders/{id}/evaporate` is new",
        "curl localhost:8002/no-such-path",
        "`make coffee` starts it",
        "`make up COFFEE=1` starts it",
        "```\nmake coffee\n```",
        "`NoSuchClass` does it",
        "`orders.no_such_function()` does it",
    ],
)
def test_a_removed_name_is_found(tree: Tree, text: str) -> None:
    assert list(missing(tree, "README.md", f"# Title\n{text}\n"))


@pytest.mark.parametrize(
    "text",
    [
        "see `service_kit/http/etag.py`, `http/etag.py`, `etag.py` and `orders/`",
        "see [there](docs/security.md#anything)",
        "`ORDER_PAY_WITHIN`, `PAY_WITHIN`, `orders:read:any`, `order.placed`, `mart.order.placed.v1`",
        "`POST /orders/{id}/cancel`, `GET/PATCH /orders/{id}`, `/orders`, `HEAD /products/{id}`",
        "curl -s localhost:8002/orders/$ORDER/payments -d '{}'",
        "`make bench BENCH=growth`, and what services make of it",
        "```\nmake up\n```",
        '`UserChanged`, `Idempotency-Key`, `Pool.acquire`, `GET`, `200`, `{"amount": 1}`',
    ],
)
def test_a_name_that_exists_passes(tree: Tree, text: str) -> None:
    assert not list(missing(tree, "README.md", text))
