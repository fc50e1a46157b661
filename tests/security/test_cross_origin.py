"""Browsers of allowed origins can read every response, including rejections before the endpoint."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from service_kit.http.headers import ResponseHeaders
from service_kit.http.server import Config, DrainingServer, LimitedProtocol
from service_kit.settings import ConnectionLimits
from tests.harness.service import NEEDED, Served, serve
from tests.security.operations import SERVICES
from tests.security.test_limits import exchange

ORIGIN = "https://shop.test"
OTHER = "https://evil.test"
ASK = {"Origin": ORIGIN}
EXPOSED = {
    "Allow", "Content-Disposition", "ETag", "Idempotent-Replayed", "Link", "Location", "Preference-Applied",
    "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id",
}  # fmt: skip
REQUEST = b"POST /nowhere HTTP/1.1\r\nOrigin: https://shop.test\r\nHost: x\r\n"


@pytest.fixture(params=SERVICES)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    service = request.param
    async with serve(f"{service}_service", cors_origins=ORIGIN, **NEEDED.get(service, {})) as found:
        yield found


@contextmanager
def full(served: Served) -> Iterator[None]:
    """The process works on as many requests as it may, so that it rejects the next one."""
    places = served.runtime.capacity
    before, places.taken = places.taken, places.most
    try:
        yield
    finally:
        places.taken = before


def assert_readable(answer: httpx.Response) -> None:
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN, answer.status_code
    assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
    assert "Origin" in answer.headers["Vary"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def answers(
    served: Served, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[int, httpx.Response]:
    """Responses by the status that is expected of them."""
    anybody, admin = served.anonymous, served.caller(role="Admin").client
    customer = served.caller().client
    found = {
        200: await anybody.get("/health/live", headers=headers),
        401: await anybody.get("/dead-letters", headers=headers),
        403: await customer.get("/dead-letters", headers=headers),
        404: await anybody.get("/nowhere", headers=headers),
        405: await anybody.put("/dead-letters", headers=headers),
        413: await anybody.post("/nowhere", content=b"x" * 1_048_577, headers=headers),
        422: await admin.get("/dead-letters?limit=0", headers=headers),
        431: await anybody.get("/nowhere", headers={"X-Long": "x" * 40_000, **headers}),
    }
    found[400] = await admin.get("/dead-letters?cursor=nonsense", headers=headers)
    with full(served):
        found[503] = await anybody.get("/nowhere", headers=headers)
    monkeypatch.setattr("service_kit.security.tokens.TokenVerifier.verify", _fails)
    found[500] = await admin.get("/dead-letters", headers=headers)
    return found


def _fails(*_: Any) -> None:
    raise RuntimeError("a fault of ours")


async def test_every_rejection_can_be_read_by_an_allowed_origin(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status, answer in (await answers(served, ASK, monkeypatch)).items():
        assert answer.status_code == status
        assert_readable(answer)


async def test_other_origins_cannot_read_rejections(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for headers in ({"Origin": OTHER}, {}):
        with monkeypatch.context() as patch:
            for status, answer in (await answers(served, headers, patch)).items():
                assert answer.status_code == status
                assert not [name for name in answer.headers if name.startswith("access-control")]
                assert "Origin" in answer.headers["Vary"]


async def test_a_preflight_is_answered_also_while_the_process_is_full(served: Served) -> None:
    ask = {**ASK, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    with full(served):
        answer = await served.anonymous.options("/dead-letters", headers=ask)
    assert answer.status_code == 200
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization"


async def test_rejections_by_the_server_itself_can_be_read(served: Served, free_port: int) -> None:
    """The server rejects these requests itself; the application does not see them."""
    config = Config(served.app, port=free_port, http=LimitedProtocol, lifespan="off", log_config=None)
    config.limits = ConnectionLimits(request_header_seconds=0.5, request_body_seconds=0.5)
    config.response_headers = ResponseHeaders("", [ORIGIN])
    server = DrainingServer(config, drain_seconds=0)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    for status, pieces in {
        400: (REQUEST + b"Nonsense \r\n\r\n",),
        408: (REQUEST + b"Content-Length: 5\r\n\r\nx",),
        431: (REQUEST, b"X-A: " + b"a" * 300_000),
    }.items():
        answer = await exchange(free_port, *pieces)
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
        assert b"access-control-allow-origin: https://shop.test\r\n" in answer
        assert b"vary: Origin\r\n" in answer
        assert b"application/problem+json" in answer
    server.should_exit = True
    await serving
