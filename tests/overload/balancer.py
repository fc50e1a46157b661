"""A TCP load balancer: round robin over the replicas that are ready. A refused connection is retried at another one."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx

LOOK = 0.1
"""Seconds between two readiness checks."""


class Balancer:
    def __init__(self, ports: Sequence[int]) -> None:
        self.rejected = 0
        self.ready: set[int] = set()
        self._turns = itertools.cycle(ports)
        self._ports = ports
        self._pipes: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        async with httpx.AsyncClient(timeout=2) as client:
            while True:
                for port in self._ports:
                    await self._look(client, port)
                await asyncio.sleep(LOOK)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await self._connect()
        if behind is None:
            writer.transport.abort()
            return
        there, back = self._pipe(reader, behind[1]), self._pipe(behind[0], writer)
        await asyncio.gather(there, back)

    async def _look(self, client: httpx.AsyncClient, port: int) -> None:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/health/ready")
        except httpx.TransportError:
            self.ready.discard(port)
        else:
            (self.ready.add if answer.is_success else self.ready.discard)(port)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in itertools.islice(self._turns, 2 * len(self._ports)):
            if port in self.ready:
                try:
                    return await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    self.rejected += 1
        return None

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@asynccontextmanager
async def balanced(port: int, ports: Sequence[int]) -> AsyncIterator[Balancer]:
    """Listens on `port` until the block ends."""
    balancer = Balancer(ports)
    watching = asyncio.create_task(balancer.watch())
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", port)
    try:
        yield balancer
    finally:
        watching.cancel()
        server.close()
