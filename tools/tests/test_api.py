"""The client, with a server whose answers the test defines."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.api import Api, ApiError, connections, for_each


class Service:
    """Answers `POST /things` and `GET /things` with the items of `answers`, one after the other."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.requests: list[dict[str, str | None]] = []
        self.grants: list[str] = []

    async def thing(self, request: web.Request) -> web.Response:
        names = ("Authorization", "Idempotency-Key", "Prefer", "If-Match")
        self.requests.append({**{name: request.headers.get(name) for name in names}, **request.query})
        return self.answers.pop(0)

    async def token(self, request: web.Request) -> web.Response:
        self.grants.append(str((await request.post())["grant_type"]))
        token = f"token-{len(self.grants)}"
        return web.json_response({"access_token": token, "refresh_token": f"refresh-{token}", "expires_in": 600})


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def api(service: Service) -> AsyncIterator[Api]:
    app = web.Application()
    app.router.add_route("*", "/things", service.thing)
    app.router.add_post("/auth/token", service.token)
    async with TestServer(app) as server, connections() as http:
        url = str(server.make_url("")).rstrip("/")
        yield Api(http, {"user": url, "order": url}, "admin@example.com", "secret")


def problem(status: int, type: str, **headers: str) -> web.Response:
    body = {"type": f"/problems/{type}", "title": type, "detail": "in words"}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")


async def test_a_passing_error_is_retried_with_the_same_key(api: Api, service: Service) -> None:
    service.answers = [
        problem(503, "unavailable", **{"Retry-After": "0"}),
        problem(429, "too-many-requests", **{"Retry-After": "0"}),
        problem(500, "internal-error"),
        problem(409, "idempotency-key-in-use"),
        web.json_response({"id": "1"}, status=201),
    ]
    assert await api.post("order", "/things", {}, key="k1", prefer="wait=30", if_match=3) == {"id": "1"}
    assert len(service.requests) == 5
    assert {request["Idempotency-Key"] for request in service.requests} == {"k1"}
    assert service.requests[-1]["Prefer"] == "wait=30"
    assert service.requests[-1]["If-Match"] == '"3"'
    assert api.failed == {"POST /things: 503 unavailable": 1, "POST /things: 500 internal-error": 1}


async def test_a_request_that_is_not_repeatable_is_not_retried(api: Api, service: Service) -> None:
    service.answers = [problem(500, "internal-error"), web.json_response({})]
    with pytest.raises(ApiError, match="500: in words"):
        await api.post("order", "/things", {})
    assert len(service.requests) == 1


async def test_only_a_conflict_that_passes_is_retried(api: Api, service: Service) -> None:
    service.answers = [problem(409, "customer-unknown"), web.json_response({"id": "1"})]
    assert await api.post("order", "/things", {}, wait_for=["customer-unknown"]) == {"id": "1"}
    service.answers = [problem(409, "sku-taken")]
    with pytest.raises(ApiError) as rejected:
        await api.post("order", "/things", {}, wait_for=["customer-unknown"])
    assert (rejected.value.status, rejected.value.type) == (409, "sku-taken")


async def test_an_expired_token_is_renewed_once(api: Api, service: Service) -> None:
    service.answers = [problem(401, "unauthenticated"), web.json_response({"items": [], "next": None})]
    await api.get("order", "/things")
    assert service.grants == ["password", "refresh_token"]
    assert [request["Authorization"] for request in service.requests] == ["Bearer token-1", "Bearer token-2"]
    service.answers = [problem(401, "unauthenticated"), problem(401, "unauthenticated")]
    with pytest.raises(ApiError, match="401"):
        await api.get("order", "/things")


async def test_a_list_is_read_to_its_end(api: Api, service: Service) -> None:
    service.answers = [
        web.json_response({"items": [1, 2], "next": "c1"}),
        web.json_response({"items": [3], "next": None}),
    ]
    assert await api.all("order", "/things", status=["a"], only=True) == [1, 2, 3]
    assert service.requests[1]["cursor"] == "c1"
    assert service.requests[1]["status"] == "a"
    assert service.requests[1]["only"] == "true"


async def test_the_first_failure_cancels_all_work() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        if item == 3:
            raise ValueError("three")
        done.append(item)

    with pytest.raises(ValueError, match="three"):
        await for_each(range(10), work, at_once=1)
    assert done == [0, 1, 2]


async def test_the_limit_of_concurrency_is_kept() -> None:
    running = most = 0

    async def work(_: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await for_each(range(20), work, at_once=4)
    assert most == 4
