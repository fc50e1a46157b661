"""Every operation of every service declares who may call it, and keeps to it."""

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from contracts.permissions import is_known
from tests.harness import tokens
from tests.harness.service import NOBODY

SERVICES = ("user", "product", "inventory", "order", "notification")
LEAST_OPERATIONS = {"user": 20, "product": 20, "inventory": 25, "order": 25, "notification": 12}
METHODS = ("get", "post", "put", "patch", "delete")
NEEDED = {
    "user": {"key_encryption_secret": "x" * 32},
    "order": {"gateway_api_key": "x", "gateway_webhook_secret": "x"},
    "notification": {"smtp_host": "127.0.0.1", "mail_from": "shop@example.com"},
}


@cache
def app(service: str) -> FastAPI:
    settings = importlib.import_module(f"{service}_service.settings").Settings(
        port=0,
        environment="development",
        service_role="api",
        log_level="ERROR",
        database_url=f"postgresql://nobody:x@{NOBODY}/none",
        kafka_bootstrap_servers=NOBODY,
        public_issuer=tokens.ISSUER,
        **NEEDED.get(service, {}),
    )
    made: FastAPI = importlib.import_module(f"{service}_service.main").create(settings)
    made.state.runtime.keys.fetch = _test_keys
    return made


async def _test_keys() -> dict[str, Any]:
    return tokens.key_set()


def operations(service: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app(service).openapi()["paths"].items():
        for method in METHODS:
            if method in methods:
                yield method, path, methods[method]


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_declares_a_permission_or_that_it_is_public(service: str) -> None:
    found = list(operations(service))
    assert len(found) >= LEAST_OPERATIONS[service], "fewer operations than there were: does the test see them all?"
    for method, path, operation in found:
        assert "security" in operation, f"{method} {path} declares neither"
        for requirement in operation["security"]:
            assert all(is_known(permission) for permission in requirement.get("OAuth2", [])), f"{method} {path}"


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_is_described(service: str) -> None:
    for method, path, operation in operations(service):
        assert operation.get("tags"), f"{method} {path} has no tag"
        assert operation.get("summary"), f"{method} {path} has no summary"
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        if method == "get" and "next" in str(operation["responses"].get("200", {})):
            assert "cursor" in names, f"{method} {path}"


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_guarded_opens_for_nobody_else(service: str) -> None:
    """Without a token 401, with a token that may nothing 403; before anything of the request is carried out."""
    runtime = app(service).state.runtime
    await runtime.keys.refresh()
    transport = httpx.ASGITransport(app=app(service))
    guarded = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        for method, path, operation in operations(service):
            if not operation["security"] or {} in operation["security"]:
                continue
            guarded += 1
            url = _with_ids(path)
            assert (await client.request(method, url)).status_code == 401, f"{method} {path}"
            if operation["security"][0]["OAuth2"]:
                headers = {"Authorization": f"Bearer {tokens.token()}"}
                assert (await client.request(method, url, headers=headers)).status_code == 403, f"{method} {path}"
    assert guarded >= LEAST_OPERATIONS[service] // 2


def _with_ids(path: str) -> str:
    parts = [str(uuid4()) if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)
