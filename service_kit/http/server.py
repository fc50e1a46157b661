"""uvicorn, extended: limits on the size, time and number of incomplete requests, responses in one write, a second port,
and draining before the stop."""

import asyncio
import heapq
import json
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from service_kit.http.capacity import Overloaded
from service_kit.http.headers import MOST_BYTES, NOTHING_ELSE, HeadersTooLarge, ResponseHeaders
from service_kit.http.problem_responses import MEDIA_TYPE
from service_kit.problems import InvalidRequest, Problem
from service_kit.settings import ConnectionLimits

log = structlog.get_logger(__name__)

GATHERED = 65_536
"""Bytes of a response that are gathered before they are written without waiting for more."""

# So many connections are closed together when there are too many: finding 16 takes as long as finding one.
CLOSED_TOGETHER = 16

OTHER_FILES = 256
"""Open files besides clients' connections: databases, brokers, gateways, modules, and connections to be accepted."""

# The application rejects complete headers that are too large; incomplete ones beyond this size are rejected here.
UNFINISHED = 8 * MOST_BYTES


class _Gathering:
    """A transport that sends everything that is written in one turn of the event loop at once. Otherwise, the head of a
    response and its body would be two system calls and two packets, and each would wake up the client."""

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


class Config(uvicorn.Config):
    """uvicorn's configuration, with what `LimitedProtocol` needs in addition."""

    limits = ConnectionLimits()
    response_headers = ResponseHeaders()


class RequestTimeout(Problem, status=408, type="request-timeout"):
    """The request did not arrive in time: send it again, or over a faster connection."""


class LimitedProtocol(HttpToolsProtocol):
    """Rejects requests that are too slow, too large or can't be parsed, by a problem with the usual headers."""

    _unfinished: int | None = None
    """Bytes received of a request whose headers are not complete; None: there is no such request."""
    _incomplete_since: float | None = None
    """The time since which the client has to complete its headers or its body; None: no request is incomplete."""
    _body_received = 0
    _unsent: tuple[int, float] | None = None
    """How many written bytes the client has not read, and since when there are so many."""

    def __init__(self, config: uvicorn.Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._limits: ConnectionLimits = getattr(config, "limits", ConnectionLimits())
        self._response_headers: ResponseHeaders = getattr(config, "response_headers", ResponseHeaders())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, _Gathering(transport))
        self._incomplete_since = self.loop.time()
        if len(self.connections) > self._limits.max_connections:
            self._close_idle()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._unfinished is None:
            return
        self._unfinished += len(data)
        if self._unfinished > UNFINISHED and not self.transport.is_closing():
            self._reject(HeadersTooLarge(limit=MOST_BYTES))

    def on_message_begin(self) -> None:
        self._unfinished = 0
        self._incomplete_since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unfinished = None
        self._incomplete_since = self.loop.time()
        self._body_received = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._incomplete_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._reject(InvalidRequest(reason=msg))

    def end_if_too_slow(self, now: float) -> None:
        """Called about once a second, which costs less than a timer for each request."""
        if self._is_stalled(now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._is_late(now) and not self._serves():
            self._give_up()

    def _is_late(self, now: float) -> bool:
        if self._incomplete_since is None:
            return False
        limits, waited = self._limits, now - self._incomplete_since
        if self._unfinished is not None or not self._reads_a_body():
            return waited > limits.request_header_seconds
        return waited > limits.request_body_seconds + self._body_received / limits.request_body_bytes_per_second

    def _reads_a_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _serves(self) -> bool:
        """Whether the response to a complete request is being made or sent."""
        if self.pipeline:
            return True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return cycle.response_started or not cycle.more_body

    def _give_up(self) -> None:
        """Closes the connection; a client that has sent part of a request first gets the response 408."""
        cycle = self.cycle
        reads_a_body = self._unfinished is None and cycle is not None and not cycle.response_complete
        if self._unfinished is None and not reads_a_body:
            self.transport.close()
            return
        if reads_a_body:
            # The application waits for the rest: it is notified of a disconnect, and logs this status.
            cast(dict[str, Any], cycle.scope)["refused"] = RequestTimeout.status
            cycle.disconnected = True
            cycle.message_event.set()
        self._reject(RequestTimeout())

    def _is_stalled(self, now: float) -> bool:
        """Whether the client has read nothing of its response for too long. Otherwise the request would occupy its
        capacity, and the connection could not be closed."""
        if not self.flow.write_paused and not self.transport.is_closing():
            self._unsent = None
            return False
        size = self.transport.get_write_buffer_size()
        if self._unsent is None or self._unsent[0] != size:
            self._unsent = (size, now)
        return now - self._unsent[1] > self._limits.response_stalled_seconds

    def _close_idle(self) -> None:
        """Makes room when there are too many connections: closes a few with the oldest incomplete requests, or that are
        idle for the longest. If all are being served, this one is rejected."""
        idle = [each for each in cast("set[LimitedProtocol]", self.connections) if each is not self and each.is_idle]
        if not idle:
            self._reject(Overloaded(retry_after=1))
        for each in heapq.nsmallest(CLOSED_TOGETHER, idle, key=lambda each: each.idle_since):
            each.end()

    @property
    def is_idle(self) -> bool:
        return not self.transport.is_closing() and not self._serves()

    @property
    def idle_since(self) -> tuple[bool, float]:
        """Sorts incomplete requests before connections without a request."""
        if self._incomplete_since is not None:
            return False, self._incomplete_since
        timer = self.timeout_keep_alive_task
        return True, timer.when() if timer is not None else 0.0

    def end(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._give_up()
        else:
            self.transport.close()

    def _reject(self, problem: Problem) -> None:
        body = json.dumps(problem.body()).encode()
        origin = next((value for name, value in self.headers or () if name == b"origin"), None)
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            NOTHING_ELSE,
            *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
            *self._response_headers.for_origin(origin),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body]))
        self.transport.close()


class DrainingServer(uvicorn.Server):
    """On SIGTERM it drains first (`drain`): it keeps serving until load balancers have stopped sending requests.

    A second signal ends the draining at once. `operations` is served on another port by the same event loop, until the
    end; its connections don't count towards the API's limit.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain: Callable[[], None] | None = None,
        drain_seconds: float = 0,
        operations: uvicorn.Config | None = None,
    ) -> None:
        super().__init__(config)
        self._drain, self._drain_seconds = drain, drain_seconds
        self._ends_at: float | None = None
        self._operations = operations
        self._operations_state = ServerState()
        self._operations_server: asyncio.Server | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._operations is not None:
            await self._bind_operations(self._operations)
        await super().startup(sockets)
        if self._operations_server is not None:
            await self._operations_server.start_serving()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self._operations_server is not None:
            self._operations_server.close()
            for connection in list(self._operations_state.connections):
                connection.shutdown()

    async def _bind_operations(self, config: uvicorn.Config) -> None:
        """Binds the port before the API is served, so that a process whose port is in use never seems ready."""
        config.load()

        def protocol() -> asyncio.Protocol:
            return LimitedProtocol(config, self._operations_state, self.lifespan.state)

        listen = asyncio.get_running_loop().create_server
        try:
            self._operations_server = await listen(protocol, config.host, config.port, start_serving=False)
        except OSError as error:
            log.error("operations_port_not_opened", port=config.port, error=str(error))
            sys.exit(3)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._ends_at is not None or self._drain is None or not self._drain_seconds:
            super().handle_exit(sig, frame)
            return
        self._ends_at = time.monotonic() + self._drain_seconds
        self._drain()

    async def on_tick(self, counter: int) -> bool:
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in [*self.server_state.connections, *self._operations_state.connections]:
                cast(LimitedProtocol, connection).end_if_too_slow(now)
        return await super().on_tick(counter)


def allow_connections(count: int) -> None:
    """Raises the soft limit on open files to `count` and OTHER_FILES together, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
