"""Runs a service on a real socket, for clients in other threads."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from local_stack import ports
from tests.harness.server import listening
from tests.harness.service import Served, serve


@dataclass
class Live:
    """`portal` runs functions in the event loop of the service."""

    url: str
    served: Served
    portal: BlockingPortal


@contextmanager
def live(service: str, **settings: Any) -> Iterator[Live]:
    """Runs `service` on a database and a port of its own until the block ends."""
    [port] = ports.lease()
    try:
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(_listening(service, port, settings)) as served,
        ):
            yield Live(f"http://127.0.0.1:{port}", served, portal)
    finally:
        ports.release([port])


@asynccontextmanager
async def _listening(service: str, port: int, settings: dict[str, Any]) -> AsyncIterator[Served]:
    async with (
        serve(service, **settings) as served,
        listening(served.app, port, http="httptools", server_header=False),
    ):
        yield served
