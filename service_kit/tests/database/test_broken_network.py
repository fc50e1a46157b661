"""Database sessions while the network resets connections, delays packets or drops them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import make_url

from local_stack import ports
from service_kit.database import Database, sessions
from service_kit.database.faults import database_is_unavailable, may_be_retried
from service_kit.database.statements import Statement
from service_kit.tests.database.test_sessions import Load
from tests.harness.proxy import Proxy

OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
"""


@pytest.fixture
def proxy(empty_database: str) -> Iterator[Proxy]:
    [port] = ports.lease()
    between = Proxy(port, make_url(empty_database).port or 5432)
    between.start()
    yield between
    between.stop()
    ports.release([port])


@pytest.fixture
def url(empty_database: str, proxy: Proxy) -> str:
    through = make_url(empty_database).set(host="127.0.0.1", port=proxy.port, query={})
    return through.render_as_string(hide_password=False)


async def test_resets_and_delays_only_cause_errors_that_mean_the_database_is_unavailable(
    url: str, proxy: Proxy
) -> None:
    database = Database(url, session_pool_size=6, asyncpg_pool_size=8)
    load = Load(database)
    running = asyncio.create_task(load.run())
    async with asyncio.timeout(60):
        for _ in range(10):
            await load.progress()
            proxy.reset()
        proxy.slow(0.05)
        await load.progress()
        proxy.reset()
        proxy.heal()
        await load.progress()
    load.stop()
    await running
    await database.close()
    assert load.wrong == []


async def test_statements_of_a_silent_server_time_out_and_succeed_when_it_responds_again(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections are affected at once, including those that are idle in the pools."""
    monkeypatch.setattr(sessions, "COMMAND_SECONDS", 1.0)
    database = Database(url, session_pool_size=3, asyncpg_pool_size=3)
    uses = [(db, number) for db in (database.session, database.transaction, database.connection) for number in range(3)]

    async def use(db: Any) -> None:
        async with db() as tx:
            await Statement("SELECT pg_sleep(0.1)").fetch(tx)

    await asyncio.gather(*(use(db) for db, _ in uses))
    proxy.swallow()
    async with asyncio.timeout(10):
        failures = await asyncio.gather(*(use(db) for db, _ in uses), return_exceptions=True)
    assert [type(failure) for failure in failures if not isinstance(failure, Exception)] == []
    assert all(database_is_unavailable(failure) for failure in failures if isinstance(failure, Exception))
    proxy.heal()
    async with asyncio.timeout(10):
        await asyncio.gather(*(use(db) for db, _ in uses))
    await database.close()


async def test_one_silent_connection_invalidates_the_idle_ones(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first time-out the pool discards its idle connections, so that there is one time-out and not many."""
    monkeypatch.setattr(sessions, "COMMAND_SECONDS", 3.0)
    database = Database(url, session_pool_size=4, asyncpg_pool_size=4)

    async def use(db: Any) -> None:
        async with db() as tx:
            await Statement("SELECT pg_sleep(0.1)").fetch(tx)

    for db in (database.session, database.connection):
        await asyncio.gather(*(use(db) for _ in range(4)))
        proxy.swallow()
        proxy.heal()
        with pytest.raises(TimeoutError):
            await use(db)
        async with asyncio.timeout(2.9):
            await use(db)
    await database.close()


async def test_stopping_does_not_wait_for_a_silent_server(url: str, proxy: Proxy) -> None:
    database = Database(url, session_pool_size=2, asyncpg_pool_size=8)

    async def use(db: Any) -> None:
        async with db() as tx:
            await Statement("SELECT pg_sleep(0.1)").fetch(tx)

    await asyncio.gather(*(use(database.session) for _ in range(2)), *(use(database.connection) for _ in range(8)))
    proxy.swallow()
    async with asyncio.timeout(8):
        await database.close()


async def test_a_wait_for_a_lock_times_out(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sessions.LIMITS, "lock_timeout", "200ms")
    database = Database(empty_database)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things AS SELECT 0 AS value")

    async def change(db: Any) -> None:
        async with db() as tx:
            await Statement("UPDATE things SET value = value + 1").fetch(tx)

    async with database.transaction() as other:
        await other.fetch("SELECT FROM things FOR UPDATE")
        for db in (database.session, database.transaction, database.connection):
            with pytest.raises(Exception, match="lock timeout") as caught:
                await change(db)
            assert may_be_retried(caught.value)
    await change(database.transaction)
    await database.close()


async def test_a_process_frozen_in_a_transaction_does_not_block_others(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sessions.LIMITS, "idle_in_transaction_session_timeout", "300ms")
    database = Database(empty_database)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things AS SELECT 0 AS value")

    async def sleeps() -> None:
        async with database.transaction() as tx:
            await tx.execute("UPDATE things SET value = 1")
            while await _open_transactions(database):
                await asyncio.sleep(0.05)
            await tx.execute("UPDATE things SET value = 2")

    with pytest.raises(Exception, match=r"idle-in-transaction|connection") as caught:
        await sleeps()
    assert database_is_unavailable(caught.value)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT value FROM things") == 0
    await database.close()


async def _open_transactions(database: Database) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval(OPEN_TRANSACTIONS)
        return found
