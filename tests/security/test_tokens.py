"""A forged, mangled or misdirected token opens no operation of any service, and every refusal is the same."""

from typing import Any

import httpx
import pytest

from tests.harness import tokens
from tests.security.bad_tokens import ALL, admins
from tests.security.operations import LEAST_OPERATIONS, SERVICES, app, operations

LEAST_MUTATIONS = 50


@pytest.mark.parametrize("service", SERVICES)
async def test_no_mutation_of_a_token_opens_anything(service: str) -> None:
    served = app(service)
    await served.state.runtime.keys.refresh()
    transport = httpx.ASGITransport(app=served)
    guarded = [operation for operation in operations(service) if operation.is_guarded]
    assert len(guarded) >= LEAST_OPERATIONS[service] // 2
    assert len(ALL) >= LEAST_MUTATIONS
    bad = {what: make() for what, make in ALL.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        for operation in guarded:
            first = await client.request(operation.method, operation.url({}))
            for what, token in bad.items():
                headers = {b"Authorization": f"Bearer {token}".encode()}
                answer = await client.request(operation.method, operation.url({}), headers=headers)
                assert answer.status_code == 401, f"{operation}, {what}: {answer.status_code}"
                assert answer.headers["WWW-Authenticate"].startswith("Bearer"), f"{operation}, {what}"
                assert _words(answer) == _words(first), f"{operation}, {what}"


async def test_the_token_that_they_are_made_of_is_good() -> None:
    """Or the test above would say nothing."""
    served = app("order")
    await served.state.runtime.keys.refresh()
    assert served.state.runtime.tokens.verify(admins()).may("users:manage:any")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer bearer", ""])
async def test_another_scheme_opens_nothing(scheme: str) -> None:
    served = app("order")
    await served.state.runtime.keys.refresh()
    headers = {"Authorization": f"{scheme} {tokens.token(role='Admin')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=served), base_url="http://service.test") as client:
        assert (await client.get("/orders", headers=headers)).status_code == 401


def _words(answer: httpx.Response) -> dict[str, Any]:
    """But for the path that was asked for."""
    return {name: value for name, value in answer.json().items() if name != "instance"}
