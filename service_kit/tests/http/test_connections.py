"""Slow, silent and greedy clients get an error or are disconnected, and use no capacity that others need."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse

from service_kit.http.application import create_app
from service_kit.http.capacity import waiting
from service_kit.http.headers import ResponseHeaders
from service_kit.http.router import Router
from service_kit.http.server import Config, DrainingServer, LimitedProtocol
from service_kit.security import PUBLIC
from service_kit.settings import ConnectionLimits, ServiceSettings
from tests.harness.service import NO_PERSONAL_DATA, NOBODY
from tests.harness.tokens import ISSUER

ORIGIN = "https://shop.test"
SLOW = b"POST /notes HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.test\r\nContent-Length: 1000\r\n\r\n"
PLACES = 4


class Settings(ServiceSettings, service="note"):
    pass


class Gate:
    """Requests wait until the test opens it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0


router = Router(prefix="/notes", tags=["notes"])


@router.post("", openapi_extra=PUBLIC)
async def add(request: Request) -> int:
    return len(await request.body())


@router.get("/work", openapi_extra=PUBLIC)
async def work(request: Request) -> str:
    await request.app.state.gate.open.wait()
    return "done"


@router.get("/wait", openapi_extra=PUBLIC)
async def wait(request: Request) -> bool:
    gate: Gate = request.app.state.gate
    with waiting(request) as may_wait:
        if may_wait:
            gate.waiting += 1
            await gate.open.wait()
    return may_wait


@router.get("/much", openapi_extra=PUBLIC)
async def much() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 1_000_000

    return StreamingResponse(pieces())


def make(**settings: Any) -> FastAPI:
    needed = {
        "port": 0, "environment": "development", "service_role": "api", "kafka_bootstrap_servers": NOBODY,
        "public_issuer": ISSUER, "jwks_url": f"http://{NOBODY}/", "database_url": f"postgresql://n:x@{NOBODY}/n",
        "log_level": "ERROR", "cors_origins": ORIGIN, "max_requests_in_flight": PLACES, "max_requests_waiting": 6,
    }  # fmt: skip
    app = create_app(
        Settings(**{**needed, **settings}),
        title="Notes",
        description="For tests.",
        routers=[router],
        personal_data=NO_PERSONAL_DATA,
    )
    app.state.gate = Gate()
    return app


@asynccontextmanager
async def served(app: FastAPI, port: int, **limits: float) -> AsyncIterator[None]:
    config = Config(app, port=port, http=LimitedProtocol, lifespan="off", log_config=None, access_log=False)
    config.limits = ConnectionLimits(**limits)
    config.response_headers = ResponseHeaders(ISSUER, [ORIGIN])
    server = DrainingServer(config, drain_seconds=0)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        app.state.gate.open.set()
        while Socket.opened:
            Socket.opened.pop().writer.close()
        server.should_exit = True
        await serving


class Socket:
    """A client that sends arbitrary bytes."""

    opened: ClassVar[list["Socket"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened.append(self)
        self._reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int, *, buffer: int = 2**16) -> "Socket":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=buffer))

    async def send(self, *pieces: bytes, pause: float = 0) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def answer(self, within: float = 20) -> bytes:
        """Everything that the server sends before it closes the connection."""
        async with asyncio.timeout(within):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""
            finally:
                self.writer.close()


async def get(port: int, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", timeout=20, **options)


def assert_is_408(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert json.loads(body)["type"] == "/problems/request-timeout"
    assert b"application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head


async def test_headers_that_come_too_slowly_are_rejected(free_port: int) -> None:
    async with served(make(), free_port, request_header_seconds=0.5):
        socket = await Socket.to(free_port)
        await socket.send(b"GET /notes/work HTTP/1.1\r\nHo")
        assert_is_408(await socket.answer())


async def test_a_body_that_comes_too_slowly_is_rejected(free_port: int) -> None:
    async with served(make(), free_port, request_body_seconds=0.5):
        socket = await Socket.to(free_port)
        await socket.send(SLOW, b"x")
        answer = await socket.answer()
        assert_is_408(answer)
        assert b"access-control-allow-origin: https://shop.test" in answer
        assert b"vary: Origin" in answer


async def test_a_body_at_the_minimum_rate_is_accepted(free_port: int) -> None:
    async with served(make(), free_port, request_body_seconds=0.5, request_body_bytes_per_second=100):
        socket = await Socket.to(free_port)
        head = SLOW.replace(b"Host", b"Connection: close\r\nHost")
        await socket.send(head, *[b"x" * 100] * 10, pause=0.2)
        assert (await socket.answer()).endswith(b"1000")


async def test_a_silent_client_is_disconnected_without_a_response(free_port: int) -> None:
    async with served(make(), free_port, request_header_seconds=0.5):
        assert await (await Socket.to(free_port)).answer() == b""


async def test_a_slow_pipelined_request_does_not_interrupt_the_response_before(free_port: int) -> None:
    app = make()
    async with served(app, free_port, request_header_seconds=0.5):
        socket = await Socket.to(free_port)
        await socket.send(b"GET /notes/work HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /notes/work HT")
        await asyncio.sleep(2.5)  # longer than two of the server's checks for time-outs
        app.state.gate.open.set()
        answer = await socket.answer()
        assert answer.startswith(b"HTTP/1.1 200")
        assert_is_408(answer[answer.index(b"HTTP/1.1 408") :])


async def test_slow_bodies_take_no_capacity(free_port: int) -> None:
    app = make()
    async with served(app, free_port):
        sockets = [await Socket.to(free_port) for _ in range(8 * PLACES)]
        for socket in sockets:
            await socket.send(SLOW, b"x")
        await _until(lambda: app.state.runtime.capacity.buffered == len(sockets))
        app.state.gate.open.set()
        assert (await get(free_port, "/notes/work")).status_code == 200
        for socket in sockets:
            socket.writer.close()
        await _until(lambda: app.state.runtime.capacity.buffered == 0)
        assert app.state.runtime.capacity.taken == 0


async def test_incomplete_bodies_have_a_common_limit(free_port: int) -> None:
    app = make(max_unfinished_body_bytes=1500)
    async with served(app, free_port):
        first, second = [await Socket.to(free_port) for _ in range(2)]
        for socket in (first, second):
            await socket.send(SLOW.replace(b"Host", b"Connection: close\r\nHost"), b"x" * 900)
            await _until(lambda: app.state.runtime.capacity.buffered > 0)
        assert (await second.answer()).startswith(b"HTTP/1.1 503")
        await first.send(b"x" * 100)
        assert (await first.answer()).startswith(b"HTTP/1.1 200")


async def test_waiting_requests_take_no_capacity(free_port: int) -> None:
    app = make()
    gate: Gate = app.state.gate
    async with served(app, free_port):
        waiters = [asyncio.create_task(get(free_port, "/notes/wait")) for _ in range(6)]  # more than PLACES
        await _until(lambda: gate.waiting == 6)
        assert app.state.runtime.capacity.taken == 0
        assert (await get(free_port, "/notes/wait")).json() is False  # all places to wait are taken, so it may not
        workers = [asyncio.create_task(get(free_port, "/notes/work")) for _ in range(PLACES)]
        await _until(lambda: app.state.runtime.capacity.taken == PLACES)
        rejected = await get(free_port, "/notes/work", headers={"Origin": ORIGIN})
        assert (rejected.status_code, rejected.headers["Retry-After"]) == (503, "1")
        assert rejected.headers["Access-Control-Allow-Origin"] == ORIGIN
        gate.open.set()
        assert [(await each).json() for each in waiters] == [True] * 6
        assert [(await each).json() for each in workers] == ["done"] * PLACES
        assert (app.state.runtime.capacity.taken, app.state.runtime.capacity.waiting) == (0, 0)


async def test_idle_connections_make_room_for_new_ones(free_port: int) -> None:
    async with served(make(), free_port, max_connections=20):
        for _ in range(60):
            await Socket.to(free_port)  # it sends nothing
        slow = [await Socket.to(free_port) for _ in range(60)]
        for socket in slow:
            with suppress(ConnectionError):  # the server may have closed it already
                await socket.send(SLOW, b"x")
        assert (await get(free_port, "/health/live")).status_code == 200


async def test_a_new_connection_is_rejected_when_all_are_busy(free_port: int) -> None:
    app = make()
    async with served(app, free_port, max_connections=PLACES):
        workers = [asyncio.create_task(get(free_port, "/notes/work")) for _ in range(PLACES)]
        await _until(lambda: app.state.runtime.capacity.taken == PLACES)
        rejected = await (await Socket.to(free_port)).answer()
        assert rejected.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in rejected
        app.state.gate.open.set()
        assert [(await each).status_code for each in workers] == [200] * PLACES


async def test_a_client_that_reads_nothing_is_disconnected(free_port: int) -> None:
    app = make()
    async with served(app, free_port, response_stalled_seconds=0.5):
        socket = await Socket.to(free_port, buffer=1024)
        await socket.send(b"GET /notes/much HTTP/1.1\r\nHost: x\r\n\r\n")
        await _until(lambda: app.state.runtime.capacity.taken == 1)
        await _until(lambda: app.state.runtime.capacity.taken == 0)


@pytest.mark.parametrize("limit", ["max_connections", "request_header_seconds", "request_body_seconds",
                                   "request_body_bytes_per_second", "response_stalled_seconds"])  # fmt: skip
def test_the_limits_are_settings(limit: str) -> None:
    limits: ConnectionLimits = make(**{limit: 3}).state.runtime.settings
    assert limit in ConnectionLimits.model_fields
    assert getattr(limits, limit) == 3


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)
