"""A queue over a table: which rows are claimed, and how failures are retried or ended."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from service_kit.database import Connection, Database
from service_kit.queue import (
    BATCH,
    JITTER,
    Backoff,
    Claimed,
    Outcome,
    PermanentFailure,
    Queue,
    TemporaryFailure,
    Unreachable,
    Worker,
)

TABLE = """
CREATE TABLE work (id int PRIMARY KEY, attempts int DEFAULT 0, error text, next_attempt_at timestamptz, ended text)
"""
ADD = """
INSERT INTO work (id, next_attempt_at) SELECT n, now() - (1000 - n) * interval '1 s' FROM generate_series(1, $1) AS n
"""
QUEUE = Queue("work", waiting="ended IS NULL", id_type="int")
CLAIM = QUEUE.claim("SELECT id, attempts, next_attempt_at AS held_until FROM claimed ORDER BY id")
BACKOFF = Backoff(timedelta(minutes=1), timedelta(minutes=5), attempts=3)


class Work:
    """A table of work with ids from 1. Handling an id in `fails` raises its exception."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.fails: dict[int, Exception] = {}
        self.handled: list[int] = []

    async def add(self, count: int) -> None:
        await self.sql(ADD, count)

    async def run(self, *, concurrency: int = 1, team: int | None = None) -> bool:
        """Handles one batch. `team` is a modulus: rows whose ids leave the same remainder are handled in sequence."""
        group = (lambda row: row.id % team) if team else (lambda row: row.id)
        worker = Worker(QUEUE, BACKOFF, self.claim, self._handle, self._finish, concurrency, group)
        return await worker.run(self.database)

    async def rows(self) -> dict[int, tuple[str | None, int, str | None]]:
        """(outcome, attempts, error) by id."""
        return {row[0]: tuple(row[1:]) for row in await self.sql("SELECT id, ended, attempts, error FROM work")}

    async def sql(self, statement: str, *values: Any) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetch(statement, *values)

    async def claim(self, connection: Connection, limit: int, lease: timedelta) -> list[Claimed]:
        return await CLAIM.fetch_as(connection, Claimed, limit=limit, lease=lease)

    async def _handle(self, row: Claimed) -> str:
        self.handled.append(row.id)
        if row.id in self.fails:
            raise self.fails[row.id]
        return "done"

    async def _finish(self, connection: Connection, outcomes: Sequence[Outcome[Claimed]], _: datetime) -> None:
        for outcome in outcomes:
            await connection.execute("UPDATE work SET ended = $2 WHERE id = $1", outcome.row.id, outcome.name)


@pytest.fixture
async def work(empty_database: str) -> AsyncIterator[Work]:
    database = Database(empty_database)
    work = Work(database)
    await work.sql(TABLE)
    yield work
    await database.close()


async def test_an_unexpected_error_fails_only_its_row_and_counts_as_an_attempt(work: Work) -> None:
    await work.add(5)
    work.fails[2] = KeyError("price")
    assert not await work.run(concurrency=3)
    rows = await work.rows()
    assert rows.pop(2) == (None, 1, "'price'")
    assert {row[0] for row in rows.values()} == {"done"}
    assert not await work.run()
    assert work.handled.count(2) == 1, "it is retried only after the backoff"


async def test_a_row_fails_after_its_last_attempt_or_a_permanent_failure(work: Work) -> None:
    await work.add(2)
    work.fails |= {1: TemporaryFailure("busy"), 2: PermanentFailure("gone")}
    for _ in range(4):
        await work.run()
        await work.sql("UPDATE work SET next_attempt_at = now()")
    assert sorted(work.handled) == [1, 1, 1, 2]
    assert {row[0] for row in (await work.rows()).values()} == {"failed"}


async def test_a_batch_stops_when_the_other_system_is_unreachable(work: Work) -> None:
    await work.add(BATCH)
    work.fails[3] = Unreachable("no route")
    assert not await work.run(), "the next batch must not follow at once"
    assert work.handled == [1, 2, 3]
    rows = await work.rows()
    assert {rows[id] for id in range(3, BATCH + 1)} == {(None, 0, "no route")}


async def test_later_rows_of_a_group_wait_for_a_retried_row(work: Work) -> None:
    await work.add(6)
    work.fails[1] = TemporaryFailure("busy")
    await work.run(team=2)
    assert work.handled == [1, 2, 4, 6]
    rows = await work.rows()
    assert [rows[id][:2] for id in (1, 3, 5)] == [(None, 1), (None, 0), (None, 0)]


async def test_the_next_batch_follows_at_once_while_there_are_more(work: Work) -> None:
    await work.add(BATCH + 1)
    assert await work.run(concurrency=8)
    assert not await work.run()
    assert sorted(work.handled) == list(range(1, BATCH + 2))


async def test_no_row_is_begun_after_an_outcome_could_not_be_committed(work: Work) -> None:
    await work.add(5)
    failed = asyncio.Event()

    async def handle(row: Claimed) -> str:
        work.handled.append(row.id)
        if row.id == 2:
            await failed.wait()
        return "done"

    async def finish(*_: Any) -> None:
        failed.set()
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await Worker(QUEUE, BACKOFF, work.claim, handle, finish, concurrency=1).run(work.database)
    assert work.handled == [1, 2]


async def test_a_process_that_lost_its_lease_changes_nothing(work: Work) -> None:
    await work.add(1)
    async with work.database.connection() as connection:
        [lost] = await CLAIM.fetch_as(connection, Claimed, limit=1, lease=timedelta(seconds=-1))
        [row] = await CLAIM.fetch(connection, limit=1, lease=timedelta(minutes=1))
        await QUEUE.release(connection, [BACKOFF.outcome(lost, "busy")], lost.held_until)
        assert await QUEUE.renew(connection, [1], lost.held_until, timedelta(hours=1)) == (set(), lost.held_until)
        assert (await QUEUE.renew(connection, [1], row["held_until"], timedelta(hours=1)))[0] == {1}
    assert await work.rows() == {1: (None, 0, None)}


def test_waits_double_up_to_the_longest() -> None:
    waits = [BACKOFF.wait(attempts) / timedelta(minutes=1) for attempts in (0, 1, 2, 3, 1_000_000)]
    assert waits == pytest.approx([1, 2, 4, 5, 5], rel=JITTER + 0.001)
