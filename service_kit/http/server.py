"""uvicorn with what it lacks: a limit on what comes before a body (its parser would keep headers for ever), answers
that leave in one piece, and an end that nobody notices."""

import asyncio
import json
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service_kit.http.answers import MEDIA_TYPE
from service_kit.http.headers import MOST_BYTES, NOTHING_ELSE, HeadersTooLarge, of_every_answer
from service_kit.problems import InvalidRequest, Problem

GATHERED = 65_536
"""Bytes that wait for more at the most."""

# The application refuses what is complete, in words that reach the caller; who sends more than this is cut off.
UNFINISHED = 8 * MOST_BYTES


class _Gathering:
    """A transport that lets what is written in one go leave in one go: the head of an answer and its body would be two
    system calls and two packets, each of which wakes up whoever reads."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._soon = asyncio.get_running_loop().call_soon
        self._parts: list[bytes] = []
        self._length = 0

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._soon(self._flush)
        self._parts.append(data)
        self._length += len(data)
        if self._length > GATHERED:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts, self._length = self._parts, [], 0
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class LimitedProtocol(HttpToolsProtocol):
    """Refuses a request whose headers don't end, and says in the usual form what can't be understood."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, _Gathering(transport))

    _unfinished: int | None = None
    """Bytes since a request began whose headers are not complete; None: there is no such request."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._unfinished is None:
            return
        self._unfinished += len(data)
        if self._unfinished > UNFINISHED and not self.transport.is_closing():
            self._refuse(HeadersTooLarge(limit=MOST_BYTES))

    def on_message_begin(self) -> None:
        self._unfinished = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unfinished = None
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest(reason=msg))

    def _refuse(self, problem: Problem) -> None:
        body = json.dumps(problem.body()).encode()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            NOTHING_ELSE,
            *of_every_answer(""),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body]))
        self.transport.close()


class LeavingServer(uvicorn.Server):
    """Asked to stop, it first says so (`leave`), and serves on until those who send requests have noticed.

    A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float) -> None:
        super().__init__(config)
        self.leave: Callable[[], None] | None = None
        self._drain_seconds = drain_seconds
        self._ends_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._ends_at is not None or self.leave is None or not self._drain_seconds:
            super().handle_exit(sig, frame)
            return
        self._ends_at = time.monotonic() + self._drain_seconds
        self.leave()

    async def on_tick(self, counter: int) -> bool:
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)
