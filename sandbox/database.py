"""A SQLite file for many coroutines: one writer thread commits many jobs in one transaction.

`write` returns only after the commit. With WAL and `synchronous=NORMAL`, the operating system then has the data, so
that a killed process loses nothing. A power failure may lose the last commits, but does not corrupt the file.
"""

import asyncio
import fcntl
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
MAX_BATCH = 500


class DatabaseInUse(Exception):
    """Another process has opened the file. It must not be shared, since both would deliver the same webhooks."""


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class Database:
    def __init__(self, path: Path, schema: str, migrate: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise DatabaseInUse(f"{path} is in use by another process") from None
        self._connection = self._connect()
        migrate(self._connection)
        self._connection.executescript(schema)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write_batches, name="sqlite-writer", daemon=True)
        self._writer.start()
        self._reading = threading.local()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="sqlite-reader")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in a savepoint: its error undoes only this job, and not the others of the same commit."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, done))
        return await done

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def close(self) -> None:
        """Commits all waiting jobs, then closes the file."""
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._connection.close()
        self._lock.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=5000")
        return connection

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = getattr(self._reading, "connection", None)
        if connection is None:
            connection = self._reading.connection = self._connect()
            connection.execute("PRAGMA query_only=1")
        return work(connection)

    def _write_batches(self) -> None:
        stopping = False
        while not stopping:
            batch: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                batch.append(job)
                if len(batch) == MAX_BATCH:
                    break
                try:
                    job = self._jobs.get_nowait()
                except Empty:
                    break
            stopping = job is None
            if batch:
                _notify(batch, self._commit(batch))

    def _commit(self, batch: list[_Job]) -> list[Any]:
        """Runs a batch in one transaction. Returns each job's result or exception, in the order of the batch."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            answers = [self._run(job) for job in batch]
            self._connection.execute("COMMIT")
            return answers
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [error] * len(batch)

    def _run(self, job: _Job) -> Any:
        self._connection.execute("SAVEPOINT job")
        try:
            answer = job.work(self._connection)
        except Exception as error:
            self._connection.execute("ROLLBACK TO job")
            answer = error
        self._connection.execute("RELEASE job")
        return answer


def page(
    db: sqlite3.Connection, select: str, where: str, values: Sequence[Any], limit: int, cursor: str | None
) -> tuple[list[sqlite3.Row], str | None]:
    """Rows by descending `seq`, and the cursor of the next page, if there is one. `select` and `where` become part of
    the statement, so they must not contain user input."""
    rows = db.execute(
        f"{select} WHERE seq < ? AND {where} ORDER BY seq DESC LIMIT ?",
        (int(cursor or 2**62), *values, limit + 1),
    ).fetchall()
    return rows[:limit], str(rows[limit - 1]["seq"]) if len(rows) > limit else None


def _notify(batch: list[_Job], answers: list[Any]) -> None:
    """Resolves the futures of a batch, with only one call into each event loop."""
    for loop in {job.loop for job in batch}:
        mine = [(job.done, answer) for job, answer in zip(batch, answers, strict=True) if job.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, mine)


def _resolve(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, answer in answers:
        if done.done():  # its caller was cancelled, but the job is committed
            continue
        if isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)
