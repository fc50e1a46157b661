"""The doors: every transaction of a service is opened here, by a request or by a batch of events."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.faults import database_is_away
from service_kit.settings import ServiceSettings


class _HotDoor:
    """The part of an asyncpg connection that queries need, and whether events were added to the outbox through it.

    The connection is taken at the first statement: a request that is refused before it costs the pool nothing.
    """

    __slots__ = ("_connect", "_connection", "added_events")

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        self._connect = connect
        self._connection: Any = None
        self.added_events = False

    async def execute(self, sql: str, *values: Any) -> str:
        status: str = await (self._connection or await self._open()).execute(sql, *values)
        return status

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        await (self._connection or await self._open()).executemany(sql, rows)

    async def fetch(self, sql: str, *values: Any) -> Any:
        return await (self._connection or await self._open()).fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        return await (self._connection or await self._open()).fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        return await (self._connection or await self._open()).fetchval(sql, *values)

    async def _open(self) -> Any:
        self._connection = await self._connect()
        return self._connection


class HotTransaction(_HotDoor):
    """asyncpg inside one transaction."""

    __slots__ = ()


class HotConnection(_HotDoor):
    """asyncpg without a transaction: each statement commits by itself."""

    __slots__ = ()


class Database:
    """One service's database: a pool for sessions, a pool for hot statements, both of fixed size.

    The pools open on first use, so that a service starts and stays up while its database is away.
    """

    def __init__(self, url: str, *, session_pool_size: int = 5, hot_pool_size: int = 8, name: str = "service") -> None:
        self.dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.on_events_committed: list[Callable[[], None]] = []
        self._name = name
        self._hot_pool_size = hot_pool_size
        self._hot_pool: Any = None
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=session_pool_size,
            max_overflow=0,
            pool_timeout=10,
            connect_args={"server_settings": {"application_name": name}, "timeout": 5},
        )

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Database":
        return cls(
            settings.database_url.get_secret_value(),
            session_pool_size=settings.session_pool_size,
            hot_pool_size=settings.hot_pool_size,
            name=settings.service_name,
        )

    @asynccontextmanager
    async def tx(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that is committed when the block ends, and rolled back when it raises."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session
            await session.commit()
            if session.info.get("added_events"):
                self._tell_listeners()

    @asynccontextmanager
    async def hot_tx(self) -> AsyncIterator[HotTransaction]:
        """asyncpg in a transaction that is committed when the block ends, and rolled back when it raises."""
        async with AsyncExitStack() as stack:

            async def begin() -> Any:
                connection = await self._acquire(stack)
                await stack.enter_async_context(connection.transaction())
                return connection

            door = HotTransaction(begin)
            yield door
        if door.added_events:
            self._tell_listeners()

    @asynccontextmanager
    async def hot(self) -> AsyncIterator[HotConnection]:
        """asyncpg in autocommit, for what is one statement."""
        async with AsyncExitStack() as stack:
            door = HotConnection(lambda: self._acquire(stack))
            yield door
        if door.added_events:
            self._tell_listeners()

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection outside the pools, for who must listen. The caller closes it."""
        return await asyncpg.connect(self.dsn, timeout=5, server_settings={"application_name": self._name})

    async def close(self) -> None:
        if self._hot_pool is not None:
            await self._hot_pool.close()
            self._hot_pool = None
        await self._engine.dispose()

    def _tell_listeners(self) -> None:
        for listen in self.on_events_committed:
            listen()

    async def _acquire(self, stack: AsyncExitStack) -> Any:
        return await stack.enter_async_context(self._pooled())

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[Any]:
        """A connection of the pool; one that may be broken doesn't go back, for nothing there would find that out."""
        async with (await self._pool()).acquire(timeout=10) as connection:
            try:
                yield connection
            except Exception as error:
                if database_is_away(error):
                    connection.terminate()
                raise

    async def _pool(self) -> Any:
        if self._hot_pool is None:
            self._hot_pool = asyncpg.create_pool(
                self.dsn,
                min_size=0,
                max_size=self._hot_pool_size,
                timeout=5,
                server_settings={"application_name": self._name, "jit": "off"},
                reset=_nothing_to_reset,
            )
        return await self._hot_pool


async def _nothing_to_reset(_: Any) -> None:
    """asyncpg resets a connection that goes back, with a round trip of its own; ours never change their session."""


async def fetch(door: AsyncSession | HotTransaction | HotConnection, sql: str, *values: Any) -> Sequence[Any]:
    """Runs a statement with `$1` parameters through either door; its rows, which can be indexed and unpacked.

    A session is flushed first: what it changed must be locked before what follows, as the order of statements says.
    """
    if not isinstance(door, AsyncSession):
        rows: Sequence[Any] = await door.fetch(sql, *values)
        return rows
    await door.flush()
    # Through SQLAlchemy's connection, not the raw one under it: that is in autocommit before its first statement.
    result = await (await door.connection()).exec_driver_sql(sql, values)
    return result.all() if result.returns_rows else []


def database_of(request: Request) -> Database:
    """The database of the service that serves this request."""
    database: Database = request.app.state.runtime.database
    return database


async def _tx(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request).tx() as tx:
        yield tx


async def _hot_tx(request: Request) -> AsyncIterator[HotTransaction]:
    async with database_of(request).hot_tx() as tx:
        yield tx


async def _hot(request: Request) -> AsyncIterator[HotConnection]:
    async with database_of(request).hot() as connection:
        yield connection


# Function scope: the commit comes before the answer is sent, so a commit that fails can't have answered 201.
Tx = Annotated[AsyncSession, Depends(_tx, scope="function")]
HotTx = Annotated[HotTransaction, Depends(_hot_tx, scope="function")]
HotConn = Annotated[HotConnection, Depends(_hot, scope="function")]

Rows = Sequence[asyncpg.Record]
