"""A TCP proxy that simulates network faults: resets, delays and half-open connections."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing a connection sends RST instead of FIN."""


@dataclass(eq=False)
class _Link:
    """A client's connection, and ours to the server. `silent`: it forwards nothing any more."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    silent: bool = False


class Proxy:
    """Forwards `port` of this machine to a server on `target`; in a thread, so that it outlives the event loop of a
    test."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy {port}", daemon=True)
        self._listener: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._delay = 0.0
        self._silent = False

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- network faults ---

    def reset(self) -> None:
        """Resets all open connections, as the restart of a router does. New ones are served."""
        self._do(self._cut_all)

    def slow(self, seconds: float) -> None:
        """Delays each chunk by so many seconds, until `heal`."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def swallow(self) -> None:
        """Drops all data on open connections and, until `heal`, on new ones, without closing them: they are
        half-open."""
        self._do(self._fall_silent)

    def heal(self) -> None:
        """New connections work. The server's side of half-open ones is closed, as by keep-alive; the client's is
        not."""
        self._do(self._heal)

    def _do(self, change: Callable[[], object]) -> None:
        async def carry_out() -> None:
            change()

        asyncio.run_coroutine_threadsafe(carry_out(), self._loop).result()

    def _cut_all(self) -> None:
        for link in list(self._links):
            self._cut(link)

    def _fall_silent(self) -> None:
        self._silent = True
        for link in self._links:
            link.silent = True

    def _heal(self) -> None:
        self._delay, self._silent = 0.0, False
        for link in self._links:
            if link.silent:
                _abort(link.server)

    def _cut(self, link: _Link) -> None:
        self._links.discard(link)
        _abort(link.client)
        _abort(link.server)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _end(self) -> None:
        assert self._listener is not None
        self._listener.close()
        self._cut_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _abort(writer)
            return
        finally:
            self._tasks.discard(task)
        link = _Link(writer, server, self._silent)
        self._links.add(link)
        self._tasks.add(task)
        try:
            await asyncio.gather(self._pass(reader, server, link), self._pass(answers, writer, link))
        except asyncio.CancelledError:
            pass  # the proxy stops
        finally:
            self._tasks.discard(task)
            self._cut(link)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                if not link.silent:
                    writer.write(data)
                    await writer.drain()
        if not link.silent:
            writer.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    if (sock := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
