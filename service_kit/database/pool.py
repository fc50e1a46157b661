"""A pool of asyncpg connections, of fixed size, opened on first use.

asyncpg's own pool creates a task for each release and a proxy for each acquire, a tenth of the cost of a read by id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

_CLOSE_SECONDS = 5.0

Connect = Callable[[], Awaitable[Any]]


class Pool:
    """At most `size` connections. Callers wait in FIFO order when all of them are in use."""

    def __init__(self, connect: Connect, size: int) -> None:
        self._connect = connect
        self.size = size
        self._taken = 0
        self._free: list[Any] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ending: set[asyncio.Task[None]] = set()

    async def acquire(self, *, within: float) -> Any:
        """Raises: TimeoutError, if no connection becomes free in `within` seconds; and what connecting raises."""
        await self._acquire_slot(within)
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self._connect()
        except BaseException:
            self._release_slot()
            raise

    def release(self, connection: Any, *, broken: bool) -> None:
        """Returns a connection to the pool, unless it may be broken, which nothing would detect there.

        In that case the idle ones are closed too: they may also be broken, and each would cost a caller a timeout.
        """
        if broken:
            while self._free:
                self._free.pop().terminate()
        if broken or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._free.append(connection)
        self._release_slot()

    def end(self, connection: Any) -> "asyncio.Task[None]":
        """Closes the connection of an interrupted statement: when the task is done, the server has cancelled or ended
        it, or has not confirmed that in time. `terminate` alone would leave it running, and it could still take effect.
        """
        task = asyncio.create_task(self._end(connection))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _end(self, connection: Any) -> None:
        try:
            await connection.close(timeout=_CLOSE_SECONDS)
        except Exception:
            connection.terminate()
        finally:
            self._release_slot()

    @property
    def in_use(self) -> int:
        return self._taken

    @property
    def waiting(self) -> int:
        """How many callers wait for a connection."""
        return sum(not turn.done() for turn in self._waiting)

    async def close(self) -> None:
        """Waits for the connections that are in use."""
        for _ in range(self.size):
            await self._acquire_slot(None)
        free, self._free = self._free, []
        await asyncio.gather(*(connection.close() for connection in free), return_exceptions=True)
        for _ in range(self.size):
            self._release_slot()

    async def _acquire_slot(self, within: float | None) -> None:
        if self._taken < self.size:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(within):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # the slot was handed over at the same moment
                self._release_slot()
            raise

    def _release_slot(self) -> None:
        """Hands the slot over to the next caller that still waits, if there is one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1
