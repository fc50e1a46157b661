"""Rows of a business table as a queue: claimed by one process at a time, and retried with back-off.

A claim postpones the time at which a row is due by a lease, so the rows of a crashed process are due again when the
lease ends. That time is also the fencing token: a process that was suspended for longer than its lease finds another
time in the row, and does not change it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Generic, TypeVar

import structlog
from prometheus_client import Counter

from service_kit.database import Connection, Database, Statement, Transaction

BATCH = 200
LEASE = timedelta(seconds=15)
WHILE_UNREACHABLE = timedelta(seconds=5)
ERROR_LENGTH = 500
JITTER = 0.2
FAILED, RETRIED = "failed", "retried"
OUTCOMES = Counter("queue_outcomes_total", "Claimed rows by what became of them", ["queue", "outcome"])
log = structlog.get_logger(__name__)


class TemporaryFailure(Exception):
    """A failure that is retried with back-off until the attempts are used up. Staff can read its text."""


class PermanentFailure(Exception):
    """No later attempt can succeed."""


class Unreachable(Exception):
    """The other system can't be reached, or rejects our credentials. The attempt is not counted."""


@dataclass(frozen=True)
class Claimed:
    """A row that this process may handle. `attempts`: failures that count. A claim's rows share one `held_until`."""

    id: Any
    attempts: int
    held_until: datetime


T = TypeVar("T", bound=Claimed)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The outcome of an attempt. `name`: the result of the handler, FAILED, or RETRIED, with the `wait` before it."""

    row: T
    name: str
    error: str | None = None
    wait: timedelta | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first` to `longest`; `attempts` None: unlimited."""

    first: timedelta
    longest: timedelta
    attempts: int | None = None

    def wait(self, attempts: int) -> timedelta:
        """The wait after so many failed attempts. It is random, so that rows that failed together retry separately."""
        return min(self.first * 2.0 ** min(attempts, 30), self.longest) * random.uniform(1 - JITTER, 1 + JITTER)

    def outcome(self, row: T, error: str, *, counts: bool = True) -> Outcome[T]:
        """The outcome of an attempt that failed with `error`."""
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

    def claim(self, select: str, *, only: str = "true", also: str = "") -> Statement:
        """Claims at most `:limit` rows, those due for the longest, for the interval `:lease`.

        `select` reads them from `claimed`; `only` is a further condition, `also` has further assignments after commas.
        """
        return Statement(f"""
            WITH due AS (
                SELECT id FROM {self.table} WHERE {self.ready} AND {only}
                ORDER BY {self.due} LIMIT :limit FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE {self.table} SET {self.due} = now() + :lease::interval{also}
                FROM due WHERE {self.table}.id = due.id RETURNING {self.table}.*
            )
            {select}
        """)  # noqa: S608 (no input in it)

    async def renew(
        self, connection: Connection, ids: Collection[Any], held_until: datetime, lease: timedelta
    ) -> tuple[set[Any], datetime]:
        """Extends the lease. Returns the ids of the rows that this process still holds, and their new `held_until`."""
        statement = Statement(f"""
            UPDATE {self.table} SET {self.due} = now() + :lease::interval
            WHERE id = ANY (:ids::{self.id_type}[]) AND {self.waiting} AND {self.due} = :held_until
            RETURNING id, {self.due}
        """)  # noqa: S608 (no input in it)
        renewed = await statement.fetch(connection, ids=list(ids), held_until=held_until, lease=lease)
        return {row[0] for row in renewed}, renewed[0][1] if renewed else held_until

    async def release(self, db: Connection | Transaction, outcomes: Sequence[Outcome[T]], held_until: datetime) -> None:
        """Schedules the retries of these rows, except of those that this process no longer holds."""
        statement = Statement(f"""
            UPDATE {self.table} SET {self.due} = now() + outcome.wait,
                attempts = {self.table}.attempts + outcome.counts::int
                {", error = outcome.error" if self.has_error else ""}
            FROM unnest(:outcome[].row.id::{self.id_type}[], :outcome[].wait::interval[], :outcome[].counts::bool[],
                        :outcome[].error::text[]) AS outcome (id, wait, counts, error)
            WHERE {self.table}.id = outcome.id AND {self.waiting} AND {self.table}.{self.due} = :held_until
        """)  # noqa: S608 (no input in it)
        await statement.execute(db, outcome=outcomes, held_until=held_until)


@dataclass
class Worker(Generic[T]):
    """Handles a batch of a queue by calls of another system; no transaction is open during such a call.

    `handle` does one row's work and returns the name of the outcome. It raises TemporaryFailure, PermanentFailure or
    Unreachable; any other error counts as temporary. `finish` removes rows from the queue, but only those that are due
    at the given time, since this process holds no others. Rows of the same `group` are handled one after the other.

    After a crash between the other system's acceptance and our commit, a row's work is done again: so each outcome is
    committed at once, together with those that were added during the commit before. The lease is short, so that the
    rows of a killed process are soon taken over, and is renewed while the other system works.
    """

    queue: Queue
    backoff: Backoff
    claim: Callable[[Connection, int, timedelta], Awaitable[list[T]]]
    handle: Callable[[T], Awaitable[str]]
    finish: Callable[[Connection, Sequence[Outcome[T]], datetime], Awaitable[None]]
    concurrency: int
    group: Callable[[T], Hashable] = attrgetter("id")
    _outcomes: asyncio.Queue[Outcome[T]] = field(init=False, default_factory=asyncio.Queue)
    _unreachable: str | None = field(init=False, default=None)

    async def run(self, database: Database) -> bool:
        """Returns whether the next batch should follow at once. Raises the error of a commit: no more rows are begun,
        and those whose outcome could not be committed are handled again when the lease ends."""
        self._renewed = time.monotonic()  # before the statement, so that the lease never seems longer than it is
        async with database.connection() as connection:
            claimed = await self.claim(connection, BATCH, LEASE)
        if not claimed:
            return False
        self._ours, self._held_until = {row.id for row in claimed}, claimed[0].held_until
        groups: dict[Hashable, list[T]] = {}
        for row in claimed:
            groups.setdefault(self.group(row), []).append(row)
        todo, committing = iter(groups.values()), asyncio.create_task(self._commit(database, len(claimed)))
        try:
            await asyncio.gather(*(self._handle(todo, committing) for _ in range(self.concurrency)))
            await committing
        finally:
            committing.cancel()
        if self._unreachable is not None:
            log.warning("queue_target_unreachable", queue=self.queue.table, error=self._unreachable)
        return self._unreachable is None and len(claimed) == BATCH

    async def _handle(self, groups: Iterator[list[T]], committing: "asyncio.Task[None]") -> None:
        for group in groups:
            wait: timedelta | None = None
            for row in group:
                if committing.done():
                    return
                # If a row is retried, the rest of its group waits too.
                outcome = await self._attempt(row) if wait is None else _postponed(row, wait)
                wait = outcome.wait
                self._outcomes.put_nowait(outcome)

    async def _attempt(self, row: T) -> Outcome[T]:
        if self._unreachable is not None:
            return _postponed(row, WHILE_UNREACHABLE, self._unreachable)
        if row.id not in self._ours or time.monotonic() - self._renewed > LEASE.total_seconds():
            return _postponed(row, timedelta(0))  # this process was suspended: another may have the row
        try:
            return Outcome(row, await self.handle(row))
        except Exception as error:
            text = (str(error) or type(error).__name__)[:ERROR_LENGTH]
            if isinstance(error, Unreachable):
                self._unreachable = text
                return _postponed(row, WHILE_UNREACHABLE, text)
            if isinstance(error, PermanentFailure):
                return Outcome(row, FAILED, text)
            if not isinstance(error, TemporaryFailure):
                log.exception("queue_handler_failed", queue=self.queue.table, id=str(row.id))
            return self.backoff.outcome(row, text)

    async def _commit(self, database: Database, left: int) -> None:
        while left:
            outcomes = await self._next_outcomes()
            async with database.connection() as connection:
                if finished := [outcome for outcome in outcomes if outcome.wait is None]:
                    await self.finish(connection, finished, self._held_until)
                if released := [outcome for outcome in outcomes if outcome.wait is not None]:
                    await self.queue.release(connection, released, self._held_until)
                self._ours -= {outcome.row.id for outcome in outcomes}
                left -= len(outcomes)
                if left and self._until_renewal() <= 0:
                    began = time.monotonic()
                    self._ours, self._held_until = await self.queue.renew(
                        connection, self._ours, self._held_until, LEASE
                    )
                    self._renewed = began
            for outcome in outcomes:
                OUTCOMES.labels(self.queue.table, outcome.name).inc()
                if outcome.name == FAILED:  # without its error, which may name a person
                    log.warning("queue_row_failed", queue=self.queue.table, id=str(outcome.row.id))

    async def _next_outcomes(self) -> list[Outcome[T]]:
        """Waits for outcomes. The list is empty if there are none before the lease must be renewed."""
        try:
            async with asyncio.timeout(max(self._until_renewal(), 0)):
                outcomes = [await self._outcomes.get()]
        except TimeoutError:
            return []
        while not self._outcomes.empty():
            outcomes.append(self._outcomes.get_nowait())
        return outcomes

    def _until_renewal(self) -> float:
        return self._renewed + LEASE.total_seconds() / 3 - time.monotonic()


def _postponed(row: T, wait: timedelta, error: str | None = None) -> Outcome[T]:
    """A retry that does not count as an attempt, since its reason is not in the row."""
    return Outcome(row, RETRIED, error, wait, counts=False)
