"""The process that generates the load: `python -m benchmarks.load.generator plan.pickle answer.pickle`.

Requests are prepared bytes, and responses are split by their length without parsing them, so that the load generator
uses little CPU. Closed loop: every connection sends its next request after a response. Open loop (`rate`): requests
have scheduled times, and latency is measured from the scheduled time, so that delays of a slow service are included
(no coordinated omission).
"""

import asyncio
import gc
import pickle
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.load.plan import Load, Plan


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._began = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is no subclass of asyncio's

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self._run.fail(ConnectionError(f"the service closed a connection in the middle of a request: {error}"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send(self, request: bytes, began: float) -> None:
        assert self._transport is not None
        self.busy, self._began = True, began
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length]) if self._run.plan.keep_bodies else b""
        self._buffer.clear()
        self.busy = False
        self._run.answered(self, int(head[9:12]), time.perf_counter() - self._began, body)


class Run:
    """Sends the requests of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.load = Load()
        self._waiting = deque(plan.requests)
        self._late: deque[tuple[bytes, float]] = deque()
        self._connections: list[Connection] = []
        self._idle: deque[Connection] = deque()
        self._busy = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._deadline = float("inf")

    async def carry_out(self) -> Load:
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.plan.port)
            self._connections.append(connection)
        self._idle.extend(self._connections)
        started, self.load.began_at = time.perf_counter(), time.time()
        if self.plan.seconds is not None:
            self._deadline = started + self.plan.seconds
        if self.plan.rate is None:
            for connection in self._connections:
                self._next(connection)
        else:
            await self._send_at_rate(started, self.plan.rate)
        if self._busy or self._late:
            await self._done
        self.load.seconds = time.perf_counter() - started
        for connection in self._connections:
            connection.close()
        return self.load

    def answered(self, connection: Connection, status: int, seconds: float, body: bytes) -> None:
        self.load.statuses[status] += 1
        self.load.latencies.append(seconds)
        if self.plan.keep_bodies:
            self.load.bodies.append(body)
        self._busy -= 1
        if self.plan.rate is None:
            self._next(connection)
        elif self._late:
            self._send(connection, *self._late.popleft())
        else:
            self._idle.append(connection)
        if not self._busy and not self._waiting and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def _next(self, connection: Connection) -> None:
        now = time.perf_counter()
        if now >= self._deadline:
            self._waiting.clear()
        if self._waiting:
            self._send(connection, self._waiting.popleft(), now)

    async def _send_at_rate(self, started: float, rate: float) -> None:
        number = 0
        while self._waiting:
            due = started + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            number += 1
            request = self._waiting.popleft()
            if self._idle:
                # The connection that was idle for longest is used, since servers close idle connections.
                self._send(self._idle.popleft(), request, due)
            else:
                self._late.append((request, due))

    def _send(self, connection: Connection, request: bytes, began: float) -> None:
        self._busy += 1
        connection.send(request, began)


def main() -> None:
    plan: Plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    gc.disable()

    async def carry_out() -> Load:
        return await Run(plan).carry_out()

    load = uvloop.run(carry_out())
    Path(sys.argv[2]).write_bytes(pickle.dumps(load))


if __name__ == "__main__":
    main()
