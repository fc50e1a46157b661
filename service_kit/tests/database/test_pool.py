"""The asyncpg pool loses no slot when connections break, waits are cancelled or the server is unreachable."""

import asyncio
from typing import Any

import pytest

from service_kit.database.pool import Pool


class Connection:
    def __init__(self) -> None:
        self.closed = self.terminated = self.in_transaction = False

    def is_closed(self) -> bool:
        return self.closed

    def is_in_transaction(self) -> bool:
        return self.in_transaction

    def terminate(self) -> None:
        self.closed = self.terminated = True

    async def close(self) -> None:
        self.closed = True


class Server:
    """Makes connections, except while `away`."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.away = False

    async def connect(self) -> Any:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionRefusedError
        self.made.append(Connection())
        return self.made[-1]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def pool(server: Server) -> Pool:
    return Pool(server.connect, 2)


async def test_a_connection_is_reused(pool: Pool, server: Server) -> None:
    for _ in range(3):
        pool.release(await pool.acquire(within=1), broken=False)
    assert (len(server.made), pool.in_use) == (1, 0)


@pytest.mark.parametrize("fate", ["broken", "closed", "in_transaction"])
async def test_a_broken_connection_is_replaced(pool: Pool, server: Server, fate: str) -> None:
    connection = await pool.acquire(within=1)
    if fate != "broken":
        setattr(connection, fate, True)
    pool.release(connection, broken=fate == "broken")
    assert await pool.acquire(within=1) is not connection
    assert connection.terminated


async def test_a_connection_that_broke_while_idle_is_skipped(pool: Pool, server: Server) -> None:
    connection = await pool.acquire(within=1)
    pool.release(connection, broken=False)
    connection.closed = True
    assert await pool.acquire(within=1) is not connection


async def test_callers_without_a_connection_are_served_in_order(pool: Pool, server: Server) -> None:
    held = [await pool.acquire(within=1) for _ in range(2)]
    came: list[int] = []

    async def want(number: int) -> None:
        connection = await pool.acquire(within=1)
        came.append(number)
        pool.release(connection, broken=False)

    waiting = [asyncio.create_task(want(number)) for number in range(5)]
    await asyncio.sleep(0)
    pool.release(held[0], broken=True)
    await asyncio.gather(*waiting)
    assert came == [0, 1, 2, 3, 4]
    assert (len(server.made), pool.in_use) == (3, 1)


async def test_a_cancelled_wait_leaves_the_pool_at_its_size(pool: Pool, server: Server) -> None:
    held = [await pool.acquire(within=1) for _ in range(2)]
    with pytest.raises(TimeoutError):
        await pool.acquire(within=0.01)
    withdrawn, at_the_last_moment, patient = [asyncio.create_task(pool.acquire(within=1)) for _ in range(3)]
    await asyncio.sleep(0)
    withdrawn.cancel()
    pool.release(held[0], broken=False)
    at_the_last_moment.cancel()
    assert await patient is held[0]
    for connection in held:
        pool.release(connection, broken=False)
    assert pool.in_use == 0


async def test_an_unreachable_server_leaves_the_pool_at_its_size(pool: Pool, server: Server) -> None:
    server.away = True
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            await pool.acquire(within=1)
    server.away = False
    assert await pool.acquire(within=1)


async def test_closing_waits_for_connections_in_use(pool: Pool, server: Server) -> None:
    connection = await pool.acquire(within=1)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    pool.release(connection, broken=False)
    await closing
    assert connection.closed
