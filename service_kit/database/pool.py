"""A pool of fixed size for the hot doors, opened on first use.

asyncpg's own makes a task for each connection that goes back and a proxy for each that is taken, which is a tenth of
what a read by id costs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

_CLOSE_SECONDS = 5.0

Connect = Callable[[], Awaitable[Any]]


class Pool:
    """At most `size` connections; who finds none free waits, the first come first."""

    def __init__(self, connect: Connect, size: int) -> None:
        self._connect = connect
        self._size = size
        self._taken = 0
        self._free: list[Any] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ending: set[asyncio.Task[None]] = set()

    async def acquire(self, *, within: float) -> Any:
        """Raises: TimeoutError, when none gets free `within` so many seconds; and what connecting raises."""
        await self._take_place(within)
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self._connect()
        except BaseException:
            self._leave_place()
            raise

    def release(self, connection: Any, *, broken: bool) -> None:
        """A connection that may be broken doesn't go back, for nothing there would find that out.

        Nor do its neighbours stay, which may be as broken: found out one by one, each would cost somebody his time.
        """
        if broken:
            while self._free:
                self._free.pop().terminate()
        if broken or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._free.append(connection)
        self._leave_place()

    def end(self, connection: Any) -> "asyncio.Task[None]":
        """Of a statement that was interrupted: when the task is done, it has been called off or has ended by itself.

        `terminate` would leave it running on the server, to take effect whenever it may.
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
            self._leave_place()

    @property
    def in_use(self) -> int:
        return self._taken

    @property
    def awaited(self) -> int:
        """How many wait for a connection."""
        return sum(not turn.done() for turn in self._waiting)

    async def close(self) -> None:
        """Waits for those that are in use."""
        for _ in range(self._size):
            await self._take_place(None)
        free, self._free = self._free, []
        await asyncio.gather(*(connection.close() for connection in free), return_exceptions=True)
        for _ in range(self._size):
            self._leave_place()

    async def _take_place(self, within: float | None) -> None:
        if self._taken < self._size:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(within):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # our turn came at the same moment
                self._leave_place()
            raise

    def _leave_place(self) -> None:
        """To the next who waits, and still does."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1
