"""Background jobs: their turns, and what they do while there is no database."""

import asyncio
import time
from datetime import timedelta
from typing import Any, cast

from service_kit.database.signals import Signals
from service_kit.jobs import SHORTEST_PAUSE, Job, Jobs
from service_kit.runtime import Runtime

NOWHERE = cast(Runtime, None)


class Database:
    """What a job needs; it counts those who ask."""

    def __init__(self) -> None:
        self.away = True
        self.asked: list[float] = []

    async def work(self, _: Any) -> None:
        self.asked.append(time.monotonic())
        if self.away:
            raise ConnectionRefusedError


class Signalling:
    """A runtime, as far as a job that a signal wakes needs it."""

    def __init__(self) -> None:
        self.database = self
        self.signals = Signals()


async def test_a_signal_lets_a_job_run_at_once_and_those_in_between_gather() -> None:
    """Leading edge: the first of a quiet time waits for nothing, what comes meanwhile for one run together."""
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
    assert len(ran) == 3, "one run for all fifty"
    assert ran[1] - sent < pause / 2
    assert ran[2] - ran[1] >= 0.9 * pause
    await jobs.stop(within=5)


async def test_work_that_was_begun_is_finished_when_the_process_stops() -> None:
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


async def test_a_job_without_a_database_is_tried_less_and_less_often_however_often_it_is_woken() -> None:
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
    assert database.asked[-1] - database.asked[-10] < 9 * SHORTEST_PAUSE, "it is there again"
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
