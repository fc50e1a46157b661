"""Samples the shop every two seconds while someone looks, and keeps the samples of the last 30 minutes."""

import asyncio
import math
import time
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any

from tools.console.worker import Worker, WorkFailed

INTERVAL = 2.0
KEPT_SECONDS = 30 * 60
# Nobody looks if no page has asked for so long; a page asks every two seconds.
UNWATCHED_SECONDS = 10.0
# The worker ends later, so that going to another page and back does not start it again.
WORKER_IDLE_SECONDS = 45.0
STALE_SECONDS = 10.0


class Watch:
    """The latest sample, and the points of the charts. After `stop` it is of no use any more."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._columns: Sequence[str] = ()
        self._rows: deque[array[float]] = deque(maxlen=int(KEPT_SECONDS / INTERVAL))
        self._latest: dict[str, Any] | None = None
        self._problem: str | None = None
        self._asked_at = -math.inf
        self._running: asyncio.Task[None] | None = None

    @property
    def is_watched(self) -> bool:
        return time.monotonic() - self._asked_at < UNWATCHED_SECONDS

    def touch(self) -> None:
        """Someone looks: samples are taken from now on."""
        self._asked_at = time.monotonic()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

    def state(self, after: float) -> dict[str, Any]:
        """The latest sample, and the points later than `after` (seconds since 1970)."""
        oldest = max(after, time.time() - KEPT_SECONDS)
        rows = [[row[0], *map(_number, row[1:])] for row in self._rows if row[0] > oldest]
        return {
            "latest": self._latest,
            "columns": self._columns,
            "rows": rows,
            "problem": self._problem or self._stale(),
        }

    def _stale(self) -> str | None:
        age = 0.0 if self._latest is None else time.time() - self._latest["at"]
        return f"This is how the shop was {age:.0f} s ago: it takes long to answer." if age > STALE_SECONDS else None

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self.worker.stop()

    async def _run(self) -> None:
        while time.monotonic() - self._asked_at < UNWATCHED_SECONDS + WORKER_IDLE_SECONDS:
            started = time.monotonic()
            if self.is_watched:
                await self._sample()
            else:
                self._latest = self._problem = None  # whoever looks next must not see an old state
            await asyncio.sleep(max(0.0, started + INTERVAL - time.monotonic()))
        await self.worker.stop()

    async def _sample(self) -> None:
        try:
            sample = await self.worker.ask("sample")
        except WorkFailed as error:
            self._problem = f"The state of the shop can't be read. {error}"
            return
        self._problem = None
        points = sample.pop("points")
        columns = list(points)
        if columns != self._columns:
            self._columns = columns
            self._rows.clear()
        values = (math.nan if value is None else value for value in points.values())
        self._rows.append(array("d", [sample["at"], *values]))
        self._latest = sample


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")
