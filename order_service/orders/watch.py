"""Waiting for an order to change (`Prefer: wait=N`), without a connection and without a transaction.

One watcher serves all waiting requests of this process. A signal wakes them at once after a commit of this process; a
poll, one query for all the orders that are waited for, finds the commits of other processes.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import structlog

from order_service.orders import queries
from order_service.orders.models import Status
from order_service.orders.queries import ORDERS_CHANGED, OrderSnapshot
from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)

# Seconds between two polls for one request. The interval begins at the shortest and grows to a tenth of the time that
# the request has waited, so that many long waits cost few queries.
SHORTEST_POLL, LONGEST_POLL = 0.05, 1.0
IsRelevant = Callable[[OrderSnapshot], bool]


class Waiter:
    """One waiting request. It is woken by a snapshot of its order that is relevant to it."""

    def __init__(self, order_id: UUID, is_relevant: IsRelevant) -> None:
        self.order_id = order_id
        self.next_check = 0.0
        self._is_relevant = is_relevant
        self._began = asyncio.get_running_loop().time()
        self._seen: OrderSnapshot | None = None
        self._woken = asyncio.Event()
        self._ended = False
        self.plan_check(self._began)

    async def next_snapshot(self, seconds: float) -> OrderSnapshot | None:
        """The latest relevant snapshot; None when there was none within `seconds`, or the process stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        seen, self._seen = self._seen, None
        if not self._ended:
            self._woken.clear()
        return seen

    def see(self, snapshot: OrderSnapshot) -> None:
        if self._is_relevant(snapshot):
            self._seen = snapshot
            self._woken.set()

    def end(self) -> None:
        """Ends the wait: the request answers with the order as it was last read."""
        self._ended = True
        self._woken.set()

    def plan_check(self, now: float) -> None:
        self.next_check = now + min(LONGEST_POLL, max(SHORTEST_POLL, (now - self._began) / 10))


class OrderWatch:
    """The watcher of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: dict[UUID, set[Waiter]] = defaultdict(set)
        self._has_waiters = asyncio.Event()

    @contextmanager
    def waiting(self, order_id: UUID, is_relevant: IsRelevant) -> Iterator[Waiter]:
        """Registers a waiting request. Enter it before reading the order, so that no later change is missed.

        A snapshot from a signal may have no tag; then only a new read shows whether the response would differ.
        """
        waiter = Waiter(order_id, is_relevant)
        if self._runtime.is_draining:
            waiter.end()
        self._waiting[order_id].add(waiter)
        self._has_waiters.set()
        try:
            yield waiter
        finally:
            self._waiting[order_id].discard(waiter)
            if not self._waiting[order_id]:
                del self._waiting[order_id]

    async def decided(self, order_id: UUID, seconds: float) -> bool:
        """Waits until a new order's stock, and its payment by token, are decided; whether anything was decided within
        `seconds`."""
        loop = asyncio.get_running_loop()
        ends, has_changed = loop.time() + seconds, False
        with self.waiting(order_id, lambda seen: seen.status != Status.PENDING) as waiter:
            while snapshot := await waiter.next_snapshot(ends - loop.time()):
                has_changed = True
                if not snapshot.is_under_way:
                    break
        return has_changed

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

    def _see(self, snapshots: Sequence[OrderSnapshot]) -> None:
        for snapshot in snapshots:
            for waiter in self._waiting.get(snapshot.order_id, ()):
                waiter.see(snapshot)

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._has_waiters.clear()
                await self._has_waiters.wait()
            await asyncio.sleep(SHORTEST_POLL)
            if self._runtime.is_draining:
                self._end_all()
                continue
            try:
                await self._poll()
            except Exception as error:  # waiting requests still get an answer when their time is over
                log.warning("orders_not_read", error=repr(error))

    async def _poll(self) -> None:
        now = asyncio.get_running_loop().time()
        due = [waiter for waiters in self._waiting.values() for waiter in waiters if waiter.next_check <= now]
        if not due:
            return
        for waiter in due:
            waiter.plan_check(now)
        async with self._runtime.database.connection() as connection:
            ids = list({waiter.order_id for waiter in due})
            self._see(await queries.SNAPSHOTS.fetch_as(connection, OrderSnapshot, ids=ids))

    def _end_all(self) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.end()
