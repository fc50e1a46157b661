"""Database sessions while the database stops and restarts."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from local_stack import ports
from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from service_kit.database import Database
from service_kit.database.faults import database_is_unavailable
from service_kit.database.signals import signal
from service_kit.database.statements import Statement

WORK = "SELECT count(*) FROM generate_series(1, 2000)"
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE things%'"


@pytest.fixture
def postgres(server_directory: Path) -> Iterator[EmbeddedPostgres]:
    port = ports.lease()
    server = EmbeddedPostgres(server_directory / "data", port[0], settings=WITHOUT_DURABILITY)
    server.start()
    yield server
    server.kill()
    ports.release(port)


class Load:
    """Uses sessions, transactions and connections continuously, and counts successes and unexpected errors."""

    def __init__(self, database: Database) -> None:
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._database = database
        self._stopping = False

    async def run(self) -> None:
        sessions = {
            "session": self._database.session,
            "transaction": self._database.transaction,
            "connection": self._database.connection,
        }
        async with asyncio.TaskGroup() as tasks:
            for name, db in sessions.items():
                for _ in range(6):
                    tasks.create_task(self._use(name, db))

    def stop(self) -> None:
        self._stopping = True

    async def progress(self) -> None:
        """Waits until each kind has succeeded 20 more times."""
        before = Counter(self.done)
        while any(self.done[name] < before[name] + 20 for name in ("session", "transaction", "connection")):
            await asyncio.sleep(0.01)

    async def _use(self, name: str, db: object) -> None:
        while not self._stopping:
            try:
                async with db() as tx:  # type: ignore[operator]
                    await Statement(WORK).fetch(tx)
                    await Statement(WORK).fetch(tx)
                self.done[name] += 1
            except Exception as error:
                if not database_is_unavailable(error):
                    self.wrong.append(f"{name}: {error!r}")
                await asyncio.sleep(0.01)


async def test_a_killed_database_only_causes_errors_that_mean_it_is_unavailable(postgres: EmbeddedPostgres) -> None:
    database = Database(postgres.superuser_url, session_pool_size=6, asyncpg_pool_size=8)
    load = Load(database)
    running = asyncio.create_task(load.run())
    async with asyncio.timeout(60):
        for _ in range(3):
            await load.progress()
            for _ in range(20):
                async with database.connection() as connection:
                    await connection.execute(TERMINATE)
                await asyncio.sleep(0.005)
            await load.progress()
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
        await load.progress()
    load.stop()
    await running
    await database.close()
    assert load.wrong == []


async def test_an_interrupted_statement_has_no_effect_afterwards(empty_database: str) -> None:
    database = Database(empty_database)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things AS SELECT 0 AS value")

    async def change() -> None:
        async with database.connection() as connection:
            await connection.execute("UPDATE things SET value = value + 1")

    async def waits() -> bool:
        async with database.connection() as connection:
            return bool(await connection.fetchval(WAITING))

    for _ in range(10):
        async with database.transaction() as other:
            await other.fetch("SELECT FROM things FOR UPDATE")
            changing = asyncio.create_task(change())
            while not await waits():
                await asyncio.sleep(0.01)
            changing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await changing
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT value FROM things") == 0
    await database.close()


async def test_a_signal_is_sent_after_the_commit_and_not_after_a_rollback(postgres: EmbeddedPostgres) -> None:
    database = Database(postgres.superuser_url, session_pool_size=1, asyncpg_pool_size=2)
    found: list[object] = []
    seen: list[object] = []

    def listener(items: Sequence[object]) -> None:
        seen.extend(items)
        raise ValueError("a failing listener must not affect the transaction")

    database.signals.listen("things", listener)
    database.signals.listen("things", found.extend)
    sessions: list[Callable[[], Any]] = [database.session, database.transaction, database.connection]
    for number, db in enumerate(sessions):
        async with db() as session:
            await Statement("SELECT 1").fetch(session)
            signal(session, "things", number, "more")
            assert found == [], "no signal before the commit"
        assert found == seen == [number, "more"]
        found.clear()
        seen.clear()
        with pytest.raises(LookupError):
            await _signal_and_fail(db)
        assert found == []
    database.signals.forget("things", listener)
    await database.close()


async def _signal_and_fail(db: Callable[[], Any]) -> None:
    async with db() as session:
        signal(session, "things", "never")
        raise LookupError
