"""Background jobs, such as for rows that are due, stuck or old. Processes with the role `api` run none."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter

from service_kit.audit import actor
from service_kit.database.faults import database_is_unavailable, may_be_retried
from service_kit.telemetry.tracing import continue_trace
from service_kit.waiting import passed

if TYPE_CHECKING:
    from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Additional seconds that a job waits after a database error; doubled each time, from the one to the other."""
RUNS = Counter("job_runs_total", "Runs of background jobs", ["job", "outcome"])


@dataclass(frozen=True)
class Job:
    """`run` is called at the interval `every`, and at once after it returned True (there is more to do), after
    `Jobs.wake(name)` or after a commit that sends the signal `woken_by`. If it is woken while it runs, it runs again as
    soon as `at_most_every` has passed since that run began. Several processes may run it at the same time.
    `before_ready`: the process is not ready until a run of it has ended, other than by an error of the database."""

    name: str
    run: "Callable[[Runtime], Awaitable[bool | None]]"
    every: timedelta
    woken_by: str | None = None
    at_most_every: timedelta = timedelta(0)
    before_ready: bool = False


class Jobs:
    """The background jobs of one process."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._wakes = {job.name: asyncio.Event() for job in jobs}
        self._awaited = {job.name for job in jobs if job.before_ready}
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, name: str, *_: Sequence[Any]) -> None:
        """Lets a job run now. If it doesn't run in this process, its next run in another does the work. The items of a
        signal are ignored."""
        if event := self._wakes.get(name):
            event.set()

    def readiness(self) -> str:
        """`ok`, or which jobs have to run before the process is ready."""
        return f"not run yet: {', '.join(sorted(self._awaited))}" if self._awaited else "ok"

    def start(self, runtime: "Runtime") -> None:
        for job in self._jobs:
            if job.woken_by is not None:
                runtime.database.signals.listen(job.woken_by, partial(self.wake, job.name))
        self._tasks |= {asyncio.create_task(self._repeat(job, runtime), name=job.name) for job in self._jobs}

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts `work`, which must not raise, as a background task that no caller awaits. `stop` lets it finish, like
        the jobs."""
        task = asyncio.create_task(_without_trace(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, within: float) -> None:
        """Lets running jobs finish, for `within` seconds at most."""
        self._stopping.set()
        for event in self._wakes.values():
            event.set()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _repeat(self, job: Job, runtime: "Runtime") -> None:
        wake, pause = self._wakes[job.name], SHORTEST_PAUSE
        while not self._stopping.is_set():
            wake.clear()
            may_follow = time.monotonic() + job.at_most_every.total_seconds()
            if await self._run(job, runtime):
                pause = SHORTEST_PAUSE
            else:  # signals would wake the job even while the database is unavailable
                await passed(self._stopping, pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                if job.name in self._awaited:
                    continue
            await passed(wake, job.every.total_seconds())
            if (left := may_follow - time.monotonic()) > 0:
                await passed(self._stopping, left)

    async def _run(self, job: Job, runtime: "Runtime") -> bool:
        """Returns False if the database was unavailable or busy."""
        try:
            with continue_trace(None):
                if await job.run(runtime):
                    self.wake(job.name)
            RUNS.labels(job.name, "ok").inc()
        except Exception as error:
            RUNS.labels(job.name, "failed").inc()
            if database_is_unavailable(error) or may_be_retried(error):
                log.warning("job_postponed", job=job.name, error=repr(error))
                return False
            log.exception("job_failed", job=job.name)
        self._awaited.discard(job.name)
        return True


async def _without_trace(work: Coroutine[Any, Any, None]) -> None:
    actor.forget()
    with continue_trace(None):
        await work


async def all_of(work: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Runs the coroutines concurrently. If some fail, the others finish before the first error is raised."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
