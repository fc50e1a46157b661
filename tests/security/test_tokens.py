"""Every operation of every service rejects invalid tokens, and always with the same response."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from tests.harness import tokens
from tests.security.bad_tokens import ALL, admins
from tests.security.operations import LEAST_OPERATIONS, SERVICES, Operation, app, operations

LEAST_MUTATIONS = 60


@dataclass
class Answer:
    """A response. The application is called without an HTTP client, which would dominate the time of so many calls."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")

    @property
    def words(self) -> dict[str, Any]:
        """The body without the path of the request."""
        return {name: value for name, value in json.loads(self.body).items() if name != "instance"}


async def _send(served: FastAPI, operation: Operation, authorization: str | None) -> Answer:
    path, answer = operation.url({}), Answer()
    given = [(b"authorization", authorization.encode())] if authorization is not None else []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": operation.method.upper(),
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"service.test"), *given], "client": ("127.0.0.1", 1), "server": ("service.test", 80),
    }  # fmt: skip

    async def nothing_more() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await served(scope, nothing_more, answer.take)
    return answer


@pytest.mark.parametrize("service", SERVICES)
async def test_modified_tokens_are_rejected(service: str) -> None:
    served = app(service)
    await served.state.runtime.keys.refresh()
    guarded = [operation for operation in operations(service) if operation.is_guarded]
    assert len(guarded) >= LEAST_OPERATIONS[service] // 2
    assert len(ALL) >= LEAST_MUTATIONS
    bad = [(what, make()) for what, make in ALL.items()]
    for operation in guarded:
        first = await _send(served, operation, None)
        for what, token in bad:
            answer = await _send(served, operation, f"Bearer {token}")
            assert answer.status == 401, f"{operation}, {what}: {answer.status}"
            assert answer.headers[b"www-authenticate"].startswith(b"Bearer"), f"{operation}, {what}"
            assert answer.words == first.words, f"{operation}, {what}"


async def test_the_base_token_is_valid() -> None:
    """If the unmodified token were rejected, the test above would prove nothing."""
    served = app("order")
    await served.state.runtime.keys.refresh()
    assert served.state.runtime.tokens.verify(admins()).may("users:manage:any")
    [listing] = [operation for operation in operations("order") if str(operation) == "GET /orders"]
    assert (await _send(served, listing, f"Bearer {admins()}")).status == 503  # accepted; there is no database


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer bearer", ""])
async def test_other_authorization_schemes_are_rejected(scheme: str) -> None:
    served = app("order")
    await served.state.runtime.keys.refresh()
    [listing] = [operation for operation in operations("order") if str(operation) == "GET /orders"]
    assert (await _send(served, listing, f"{scheme} {tokens.token(role='Admin')}")).status == 401
