"""Waiting for stock to be decided (`Prefer: wait=N`), without a connection and without a transaction."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from contracts.topics import INVENTORY_DEDUCTION
from order_service.orders import queries
from order_service.orders.queries import Decided
from service_kit.database import Database
from service_kit.messaging.processing import Processor

log = structlog.get_logger(__name__)

# Where inventory's answers are consumed in this process they wake us; elsewhere this is how late we may hear of one.
POLL_SECONDS = 0.05


class Decisions:
    """One watcher for all that wait: it looks at their orders together, after inventory's answers and now and then."""

    def __init__(self, database: Database, processor: Processor) -> None:
        self._database = database
        self._processor = processor
        self._waiting: dict[UUID, set[asyncio.Future[Decided]]] = defaultdict(set)
        self._awaited = asyncio.Event()
        self._look = asyncio.Event()

    async def wait(self, order_id: UUID, seconds: float) -> Decided | None:
        """Until the order is `pending` no longer: how it stands then; or None, when `seconds` are over."""
        future: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
        self._waiting[order_id].add(future)
        self._awaited.set()
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return None
        finally:
            self._waiting[order_id].discard(future)
            if not self._waiting[order_id]:
                del self._waiting[order_id]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._processor.on_handled.append(self._hear)
        task = asyncio.create_task(self._run(), name="decisions")
        try:
            yield
        finally:
            self._processor.on_handled.remove(self._hear)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _hear(self, topic: str) -> None:
        if topic == INVENTORY_DEDUCTION.name:
            self._look.set()

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._awaited.clear()
                await self._awaited.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), POLL_SECONDS)
            self._look.clear()
            try:
                await self._tell_decided()
            except Exception as error:  # those who wait are answered with what is known, in time
                log.warning("decisions_not_read", error=repr(error))

    async def _tell_decided(self) -> None:
        async with self._database.hot() as connection:
            decided = await queries.decided(connection, list(self._waiting))
        for order_id in decided.keys() & self._waiting.keys():
            for future in self._waiting[order_id]:
                if not future.done():
                    future.set_result(decided[order_id])
