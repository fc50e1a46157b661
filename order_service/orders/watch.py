"""Waiting for an order to change (`Prefer: wait=N`), without a connection and without a transaction.

One watcher for everybody who waits in this process. What this process commits wakes them at once, by a signal; for what
other processes commit, the watcher looks at all the orders together, by a poll.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import structlog

from order_service.orders import queries
from order_service.orders.queries import ORDERS_CHANGED, Sighting
from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)

# How late the change of another process may be seen at first; later a tenth of the time that was waited already, so
# that many who wait for long cost little.
SHORTEST_POLL, LONGEST_POLL = 0.05, 1.0
IsNews = Callable[[Sighting], bool]


class Waiter:
    """One request that waits. It is woken by a sighting of its order that is news to it."""

    def __init__(self, order_id: UUID, is_news: IsNews) -> None:
        self.order_id = order_id
        self.next_look = 0.0
        self._is_news = is_news
        self._began = asyncio.get_running_loop().time()
        self._seen: Sighting | None = None
        self._woken = asyncio.Event()
        self._ended = False
        self.plan_look(self._began)

    async def news(self, seconds: float) -> Sighting | None:
        """The latest sighting that is news; None when there was none within `seconds`, or the process stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        seen, self._seen = self._seen, None
        if not self._ended:
            self._woken.clear()
        return seen

    def see(self, sighting: Sighting) -> None:
        if self._is_news(sighting):
            self._seen = sighting
            self._woken.set()

    def end(self) -> None:
        """There is no more waiting: whoever waits answers with what is known."""
        self._ended = True
        self._woken.set()

    def plan_look(self, now: float) -> None:
        self.next_look = now + min(LONGEST_POLL, max(SHORTEST_POLL, (now - self._began) / 10))


class OrderWatch:
    """The watcher of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: dict[UUID, set[Waiter]] = defaultdict(set)
        self._somebody_waits = asyncio.Event()

    @contextmanager
    def waiting(self, order_id: UUID, is_news: IsNews) -> Iterator[Waiter]:
        """Enter it before the order is read: no change after that is missed. The one place where waits begin and end.

        A signal may come without a tag, where only a new look can tell whether the answer would differ.
        """
        waiter = Waiter(order_id, is_news)
        if self._runtime.is_leaving:
            waiter.end()
        self._waiting[order_id].add(waiter)
        self._somebody_waits.set()
        try:
            yield waiter
        finally:
            self._waiting[order_id].discard(waiter)
            if not self._waiting[order_id]:
                del self._waiting[order_id]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        signals = self._runtime.database.signals
        signals.listen(ORDERS_CHANGED, self._see)
        task = asyncio.create_task(self._run(), name="order-watch")
        try:
            yield
        finally:
            signals.forget(ORDERS_CHANGED, self._see)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _see(self, sightings: Sequence[Sighting]) -> None:
        for sighting in sightings:
            for waiter in self._waiting.get(sighting.order_id, ()):
                waiter.see(sighting)

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._somebody_waits.clear()
                await self._somebody_waits.wait()
            await asyncio.sleep(SHORTEST_POLL)
            if self._runtime.is_leaving:
                self._end_all()
                continue
            try:
                await self._look()
            except Exception as error:  # whoever waits is answered with what is known, in time
                log.warning("orders_not_read", error=repr(error))

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        due = [waiter for waiters in self._waiting.values() for waiter in waiters if waiter.next_look <= now]
        if not due:
            return
        for waiter in due:
            waiter.plan_look(now)
        async with self._runtime.database.hot() as connection:
            self._see(await queries.sightings(connection, {waiter.order_id for waiter in due}))

    def _end_all(self) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.end()
