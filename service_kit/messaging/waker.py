"""Wakes the relay after a commit: directly in this process, or by NOTIFY in another one."""

import asyncio
from collections.abc import Callable

import structlog

from service_kit.audit import actor
from service_kit.database.sessions import Database

CHANNEL = "outbox"
_PAUSE = 0.001

log = structlog.get_logger(__name__)


class Waker:
    """`wake` is called after each commit that added events.

    NOTIFY takes a lock that all committing transactions share. So it is not sent in the transactions that add events,
    but in a separate one for all of them, at most once per millisecond.
    """

    def __init__(self, database: Database, wake_relay: Callable[[], bool]) -> None:
        """`wake_relay` wakes the relay of this process, and returns whether it is the one that publishes."""
        self._database = database
        self._wake_relay = wake_relay
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        if self._wake_relay():
            return
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._notify())

    async def stop(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=1)

    async def _notify(self) -> None:
        actor.forget()
        while self._wanted:
            self._wanted = False
            try:
                async with self._database.connection() as connection:
                    await connection.execute(f"NOTIFY {CHANNEL}")
            except Exception:  # the relay also polls, so a lost notification only costs a second
                log.debug("relay_not_notified", exc_info=True)
            await asyncio.sleep(_PAUSE)
