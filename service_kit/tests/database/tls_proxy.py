"""A proxy that terminates TLS in front of PostgreSQL, since the embedded server has no TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""A client of PostgreSQL that wants TLS sends this first; the server answers `S` or `N`."""


class TlsProxy:
    """Rejects connections in plain text. It counts those, and the completed TLS handshakes."""

    def __init__(self, target: int, certificate: tuple[Path, Path]) -> None:
        self.plain = self.encrypted = 0
        self._target = target
        self._serving: set[asyncio.Task[None]] = set()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*certificate)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client rejected the certificate, or disconnected
        finally:
            await _close(writer)
            self._serving.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) != _SSL_REQUEST:
            self.plain += 1
            return
        writer.write(b"S")
        await writer.start_tls(self._tls)
        self.encrypted += 1
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_forward(reader, to_server), _forward(from_server, writer))
        finally:
            await _close(to_server)

    async def end(self) -> None:
        """Closes all connections, since the test's event loop could not close them later."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            await writer.wait_closed()


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    finally:
        with suppress(OSError):
            target.close()


@asynccontextmanager
async def tls_proxy(target: int, certificate: tuple[Path, Path]) -> AsyncIterator[tuple[TlsProxy, int]]:
    """The proxy and its port."""
    made = TlsProxy(target, certificate)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await made.end()
