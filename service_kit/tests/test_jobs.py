"""Background jobs: when they run, and how they retry while the database is unavailable."""

import asyncio
import time
from datetime import timedelta
from typing import Any, cast

from service_kit.database.signals import Signals
from service_kit.jobs import SHORTEST_PAUSE, Job, Jobs
from service_kit.runtime import Runtime

NOWHERE = cast(Runtime, None)


class Database:
    """Fails while `away`, and records when it was called."""

    def __init__(self) -> None:
        self.away = True
        self.asked: list[float] = []

    async def work(self, _: Any) -> None:
        self.asked.append(time.monotonic())
        if self.away:
            raise ConnectionRefusedError


class Signalling:
    """The parts of a runtime that a job with a signal uses."""

    def __init__(self) -> None:
        self.database = self
        self.signals = Signals()


async def test_a_signal_runs_its_job_at_once_and_signals_during_the_pause_share_one_run() -> None:
    """The first signal after a quiet time does not wait; those that follow within the pause cause one run."""
    ran: list[float] = []
    runtime, pause = Signalling(), 0.3

    async def run(_: Any) -> None:
        ran.append(time.monotonic())

    job = Job("woken", run, timedelta(hours=1), woken_by="news", at_most_every=timedelta(seconds=pause))
    jobs = Jobs([job])
    jobs.start(cast(Runtime, runtime))
    async with asyncio.timeout(20):
        while len(ran) < 1:  # the run at the start
            await asyncio.sleep(0)
        await asyncio.sleep(pause)
        sent = time.monotonic()
        runtime.signals.send({"news": []})
        while len(ran) < 2:
            await asyncio.sleep(0)
        for _ in range(50):
            runtime.signals.send({"news": []})
            await asyncio.sleep(0)
        while len(ran) < 3:
            await asyncio.sleep(0.001)
        await asyncio.sleep(pause / 2)
    assert len(ran) == 3, "fifty signals must share one run"
    assert ran[1] - sent < pause / 2
    assert ran[2] - ran[1] >= 0.9 * pause
    await jobs.stop(within=5)


async def test_a_stop_waits_for_work_in_progress() -> None:
    jobs, done = Jobs([]), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.set()

    jobs.begin(work())
    await jobs.stop(within=10)
    assert done.is_set()


def started(database: Database) -> Jobs:
    jobs = Jobs([Job("often", database.work, timedelta(milliseconds=1))])
    jobs.start(NOWHERE)
    return jobs


async def test_pauses_of_a_job_without_a_database_grow_even_if_signals_wake_it() -> None:
    database = Database()
    jobs = started(database)
    async with asyncio.timeout(20):
        while len(database.asked) < 4:
            jobs.wake("often")
            await asyncio.sleep(0.001)
        pauses = [later - sooner for sooner, later in zip(database.asked, database.asked[1:], strict=False)]
        assert all(pause >= 0.9 * SHORTEST_PAUSE * 2**n for n, pause in enumerate(pauses)), pauses
        database.away = False
        while len(database.asked) < 20:
            await asyncio.sleep(0.001)
    assert database.asked[-1] - database.asked[-10] < 9 * SHORTEST_PAUSE, "no pauses once the database is available"
    await jobs.stop(within=5)


async def test_a_job_that_waits_for_its_database_is_stopped_at_once() -> None:
    database = Database()
    jobs = started(database)
    async with asyncio.timeout(20):
        while len(database.asked) < 4:
            await asyncio.sleep(0.001)
    began = time.monotonic()
    await jobs.stop(within=20)
    assert time.monotonic() - began < 0.5


async def test_a_process_is_ready_after_a_job_that_others_rely_on_has_run() -> None:
    """It is tried again soon, not after its interval."""
    database = Database()
    jobs = Jobs([Job("first-admin", database.work, timedelta(hours=1), before_ready=True)])
    jobs.start(NOWHERE)
    async with asyncio.timeout(20):
        while len(database.asked) < 3:
            await asyncio.sleep(0.001)
        assert jobs.readiness() == "not run yet: first-admin"
        database.away = False
        while jobs.readiness() != "ok":
            await asyncio.sleep(0.001)
    tries = len(database.asked)
    await asyncio.sleep(4 * SHORTEST_PAUSE)
    assert len(database.asked) == tries
    await jobs.stop(within=5)


async def test_a_job_that_fails_by_itself_does_not_keep_its_process_from_serving() -> None:
    async def fail(_: Any) -> None:
        raise ValueError

    jobs = Jobs([Job("first-admin", fail, timedelta(hours=1), before_ready=True)])
    jobs.start(NOWHERE)
    async with asyncio.timeout(20):
        while jobs.readiness() != "ok":
            await asyncio.sleep(0.001)
    await jobs.stop(within=5)
