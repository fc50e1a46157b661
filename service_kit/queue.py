"""Rows of a business table as a queue: claimed by one process at a time, and retried with back-off.

A claim moves the time at which a row is due ahead by a lease, so a process that crashes loses its rows by time alone.
The time that it wrote is its fencing token: a process that was suspended for longer than its lease finds another time
there, and changes nothing.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Generic, TypeVar

import structlog
from prometheus_client import Counter

from service_kit.batching import Batching
from service_kit.database.doors import Database, HotConnection, HotTransaction
from service_kit.jobs import all_of

BATCH = 200
LEASE = timedelta(seconds=15)
WHILE_UNREACHABLE = timedelta(seconds=5)
ERROR_LENGTH = 500
JITTER = 0.2
FAILED, RETRIED = "failed", "retried"
OUTCOMES = Counter("queue_outcomes_total", "Claimed rows by what became of them", ["queue", "outcome"])
log = structlog.get_logger(__name__)


class TemporaryFailure(Exception):
    """Counted, and retried with back-off until the attempts are used up. The text is stored, and shown to staff."""


class PermanentFailure(Exception):
    """No later attempt can succeed."""


class Unreachable(Exception):
    """No fault of the row: the other system can't be reached, or refuses our credentials."""


@dataclass(frozen=True)
class Claimed:
    """A row that this process may work on; `attempts`: counted failures. A claim's rows have the same `held_until`."""

    id: Any
    attempts: int
    held_until: datetime


T = TypeVar("T", bound=Claimed)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How an attempt ended: `name` is what the handler returned, FAILED, or RETRIED after `wait`."""

    row: T
    name: str
    error: str | None = None
    wait: timedelta | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first` to `longest`; `attempts` None: without end."""

    first: timedelta
    longest: timedelta
    attempts: int | None = None

    def wait(self, attempts: int) -> timedelta:
        """After so many attempts before this one. Rows that failed together are not all retried together."""
        return min(self.first * 2.0 ** min(attempts, 30), self.longest) * random.uniform(1 - JITTER, 1 + JITTER)

    def outcome(self, row: T, error: str, *, counts: bool = True) -> Outcome[T]:
        """Of an attempt that failed."""
        if counts and self.attempts is not None and row.attempts + 1 >= self.attempts:
            return Outcome(row, FAILED, error)
        return Outcome(row, RETRIED, error, self.wait(row.attempts), counts)


@dataclass(frozen=True)
class Queue:
    """The SQL of a table with the columns `id`, `attempts`, `due` and, if `has_error`, `error`; `waiting` is the
    condition of the rows in the queue."""

    table: str
    waiting: str = "true"
    due: str = "next_attempt_at"
    id_type: str = "uuid"
    has_error: bool = True

    @property
    def ready(self) -> str:
        """The condition of the rows that may be tried now."""
        return f"{self.waiting} AND {self.table}.{self.due} <= now()"

    def claim(self, select: str, *, only: str = "true", also: str = "") -> str:
        """Claims at most $1 rows, those due for the longest, until the interval $2 is over.

        `select` reads them from `claimed`; `only` is one more condition, `also` more assignments, each after a comma.
        """
        return f"""
            WITH due AS (
                SELECT id FROM {self.table} WHERE {self.ready} AND {only}
                ORDER BY {self.due} LIMIT $1 FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE {self.table} SET {self.due} = now() + $2::interval{also}
                FROM due WHERE {self.table}.id = due.id RETURNING {self.table}.*
            )
            {select}
        """  # noqa: S608 (no input in it)

    async def renew(
        self, connection: HotConnection, ids: Collection[Any], held_until: datetime, lease: timedelta
    ) -> tuple[set[Any], datetime]:
        """Those of the rows that are still ours, and until when from now on."""
        statement = f"""
            UPDATE {self.table} SET {self.due} = now() + $3::interval
            WHERE id = ANY ($1::{self.id_type}[]) AND {self.waiting} AND {self.due} = $2 RETURNING id, {self.due}
        """  # noqa: S608 (no input in it)
        rows = await connection.fetch(statement, list(ids), held_until, lease)
        return {row[0] for row in rows}, rows[0][1] if rows else held_until

    async def release(
        self, door: HotConnection | HotTransaction, outcomes: Sequence[Outcome[T]], held_until: datetime
    ) -> None:
        """Puts back what is to be retried, as far as it is still ours."""
        statement = f"""
            UPDATE {self.table} SET {self.due} = now() + outcome.wait, attempts = {self.table}.attempts + outcome.counts
                {", error = outcome.error" if self.has_error else ""}
            FROM unnest($1::{self.id_type}[], $2::interval[], $3::int[], $4::text[])
                 AS outcome (id, wait, counts, error)
            WHERE {self.table}.id = outcome.id AND {self.waiting} AND {self.table}.{self.due} = $5
        """  # noqa: S608 (no input in it)
        columns = zip(*((each.row.id, each.wait, int(each.counts), each.error) for each in outcomes), strict=True)
        await door.execute(statement, *map(list, columns), held_until)


@dataclass(frozen=True)
class Worker(Generic[T]):
    """Works off a queue by means of another system; no transaction is open while that one is called.

    `handle` does one row's work and returns the name of the outcome. Raises: TemporaryFailure, PermanentFailure,
    Unreachable; any other error counts as temporary. `finish` takes rows out of the queue: those that are still ours
    are due at the time that it is given. Rows of the same `group` are handled one after the other.
    """

    queue: Queue
    backoff: Backoff
    claim: Callable[[HotConnection, int, timedelta], Awaitable[list[T]]]
    handle: Callable[[T], Awaitable[str]]
    finish: Callable[[HotConnection, Sequence[Outcome[T]], datetime], Awaitable[None]]
    concurrency: int
    group: Callable[[T], Hashable] = attrgetter("id")

    async def run(self, database: Database) -> bool:
        """Works off one batch; whether the next should follow at once."""
        began = time.monotonic()  # before the statement, so that we never think the lease longer than it is
        async with database.hot() as connection:
            claimed = await self.claim(connection, BATCH, LEASE)
        if not claimed:
            return False
        reached = await _Batch(self, database, claimed, began).run()
        return reached and len(claimed) == BATCH


class _Batch(Generic[T]):
    """A crash between the other system's acceptance and our commit does a row's work again: so each outcome is
    committed at once, together with others that ended during the commit before. The lease is short, so that the rows
    of a killed process are soon taken over, and renewed, however long the other system takes."""

    def __init__(self, worker: Worker[T], database: Database, claimed: Sequence[T], began: float) -> None:
        self._worker = worker
        self._database = database
        self._ours = {row.id for row in claimed}
        self._held_until = claimed[0].held_until
        self._renewed = began
        self._fence = asyncio.Lock()  # around the use of `_held_until` in the database
        self._unreachable: str | None = None
        self._committing: Batching[Outcome[T], None] = Batching(self._commit)
        groups: dict[Hashable, list[T]] = {}
        for row in claimed:
            groups.setdefault(worker.group(row), []).append(row)
        self._groups = deque(groups.values())

    async def run(self) -> bool:
        """Whether the other system could be reached. Raises what committing raises: the work whose outcome could not
        be committed is done again when the lease ends, and no more is begun."""
        renewing = asyncio.create_task(self._renew())
        try:
            await all_of(self._handle_groups() for _ in range(self._worker.concurrency))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        if self._unreachable is not None:
            log.warning("queue_target_unreachable", queue=self._worker.queue.table, error=self._unreachable)
        return self._unreachable is None

    async def _handle_groups(self) -> None:
        while self._groups:
            wait: timedelta | None = None
            for row in self._groups.popleft():
                # Behind a row that is retried, the rest of its group waits too.
                outcome = await self._attempt(row) if wait is None else _put_off(row, wait)
                wait = outcome.wait
                try:
                    await self._committing.do(outcome)
                except BaseException:
                    self._groups.clear()
                    raise

    async def _attempt(self, row: T) -> Outcome[T]:
        if self._unreachable is not None:
            return _put_off(row, WHILE_UNREACHABLE, self._unreachable)
        if row.id not in self._ours or time.monotonic() - self._renewed > LEASE.total_seconds():
            return _put_off(row, timedelta(0))  # this process was suspended: another may have the row
        try:
            return Outcome(row, await self._worker.handle(row))
        except Exception as error:
            text = (str(error) or type(error).__name__)[:ERROR_LENGTH]
            if isinstance(error, Unreachable):
                self._unreachable = text
                return _put_off(row, WHILE_UNREACHABLE, text)
            if isinstance(error, PermanentFailure):
                return Outcome(row, FAILED, text)
            if not isinstance(error, TemporaryFailure):
                log.exception("queue_handler_failed", queue=self._worker.queue.table, id=str(row.id))
            return self._worker.backoff.outcome(row, text)

    async def _commit(self, outcomes: Sequence[Outcome[T]]) -> list[None]:
        queue = self._worker.queue
        finished = [outcome for outcome in outcomes if outcome.wait is None]
        released = [outcome for outcome in outcomes if outcome.wait is not None]
        async with self._fence, self._database.hot() as connection:
            if finished:
                await self._worker.finish(connection, finished, self._held_until)
            if released:
                await queue.release(connection, released, self._held_until)
        for outcome in outcomes:
            OUTCOMES.labels(queue.table, outcome.name).inc()
            if outcome.name == FAILED:  # without its error, which may name a person
                log.warning("queue_row_failed", queue=queue.table, id=str(outcome.row.id))
        return [None] * len(outcomes)

    async def _renew(self) -> None:
        """Where that fails, no more rows are tried once the lease has ended."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            began = time.monotonic()
            async with self._fence, self._database.hot() as connection:
                self._ours, self._held_until = await self._worker.queue.renew(
                    connection, self._ours, self._held_until, LEASE
                )
            self._renewed = began


def _put_off(row: T, wait: timedelta, error: str | None = None) -> Outcome[T]:
    """It is no fault of the row."""
    return Outcome(row, RETRIED, error, wait, counts=False)
