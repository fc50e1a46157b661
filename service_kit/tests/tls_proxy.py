"""PostgreSQL behind TLS: the embedded server has none, so this ends it and passes on what is inside."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""What a client of PostgreSQL sends first where it wants TLS; the server answers `S` or `N`."""


class TlsProxy:
    """Counts who came in plain text (and was turned away) and whose handshake was completed."""

    def __init__(self, target: int, certificate: tuple[Path, Path]) -> None:
        self.plain = self.encrypted = 0
        self._target = target
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*certificate)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(8) != _SSL_REQUEST:
                self.plain += 1
                return
            writer.write(b"S")
            await writer.start_tls(self._tls)
            self.encrypted += 1
            to_server = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_pass_on(reader, to_server[1]), _pass_on(to_server[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client didn't like our certificate, or went
        finally:
            writer.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
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
