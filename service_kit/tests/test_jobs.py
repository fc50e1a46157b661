"""Background jobs: their turns, and what they do while there is no database."""

import asyncio
import time
from datetime import timedelta
from typing import Any, cast

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


async def test_one_that_waits_for_its_database_is_stopped_at_once() -> None:
    database = Database()
    jobs = started(database)
    async with asyncio.timeout(20):
        while len(database.asked) < 4:
            await asyncio.sleep(0.001)
    began = time.monotonic()
    await jobs.stop(within=20)
    assert time.monotonic() - began < 0.5
