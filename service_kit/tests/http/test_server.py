"""How the server gathers the parts of a response before it writes them to the connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from service_kit.http.server import GATHERED, LimitedProtocol, _Gathering

LARGE = b"x" * (3 * GATHERED)


class Wire(asyncio.Transport):
    """A transport that records what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_head_and_body_are_sent_together() -> None:
    wire = Wire()
    gathering = _Gathering(wire)
    gathering.write(b"head ")
    gathering.write(b"body")
    assert wire.pieces == []
    await asyncio.sleep(0)
    gathering.write(b"the next")
    await asyncio.sleep(0)
    assert wire.pieces == [b"head body", b"the next"]


async def test_written_data_is_sent_before_the_connection_is_closed() -> None:
    wire = Wire()
    gathering = _Gathering(wire)
    gathering.write(b"goodbye")
    gathering.close()
    await asyncio.sleep(0)
    assert (wire.pieces, wire.closed) == ([b"goodbye"], True)


async def test_nothing_is_written_to_a_closed_connection() -> None:
    wire = Wire()
    gathering = _Gathering(wire)
    gathering.write(b"too late")
    wire.close()
    await asyncio.sleep(0)
    assert wire.pieces == []


async def test_large_writes_are_sent_at_once() -> None:
    wire = Wire()
    _Gathering(wire).write(LARGE)
    assert wire.pieces == [LARGE]


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    for _ in range(8):
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
    await send({"type": "http.response.body", "body": b"end"})


@pytest.fixture
async def port(free_port: int) -> AsyncIterator[int]:
    config = uvicorn.Config(_application, port=free_port, http=LimitedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield free_port
    server.should_exit = True
    await serving


async def test_a_slow_reader_gets_the_whole_response(port: int) -> None:
    """The response is larger than the socket's buffer, so the application must wait, as it does without gathering."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    received = bytearray()
    while piece := await reader.read(50_000):
        received += piece
    writer.close()
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body.count(b"x") == 8 * len(LARGE)
    assert body.endswith(b"end\r\n0\r\n\r\n")
