"""The doors: every transaction of a service is opened here, by a request or by a batch of events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, cast

import asyncpg
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import QueuePool
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.audit import actor
from service_kit.crashpoints import reach
from service_kit.database.faults import database_is_away
from service_kit.database.pool import Pool
from service_kit.database.signals import Pending, Signals
from service_kit.database.tls import Tls
from service_kit.settings import ServiceSettings
from service_kit.telemetry import metrics

# A hot statement goes by an index, however few rows its tables have when it is planned: a plan that was made for an
# empty table is kept and would read a full one. No bitmaps, since only an ordinary index scan marks the entries of dead
# rows, so that a queue (outbox, tokens, refunds) costs the same however many rows have gone through it. With no more to
# choose from, a plan for each set of values is the same plan made again, for longer than it takes to carry out.
BY_INDEX = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
}

# Nobody waits for ever: not for a row that another holds, nor for a server that says nothing any more. And who stands
# still in the middle of a transaction loses it, so that nobody else stands still for that.
LIMITS = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
COMMAND_SECONDS = 35.0  # longer than any statement may take: the server tells better what happened
FAREWELL_SECONDS = 1.0


class _Connection(asyncpg.Connection):
    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncpg's signature
        """Unless told otherwise it takes no long leave: who stops must not wait for a server that says nothing."""
        with suppress(TimeoutError):  # it was cut then
            await super().close(timeout=FAREWELL_SECONDS if timeout is None else timeout)


SAY_WHO_ACTS = f"SELECT set_config('{actor.SETTING}', $1, true)"
"""For the rest of the transaction, to the triggers that write the audit log."""


class _HotDoor:
    """The part of an asyncpg connection that queries need, and whether events were added to the outbox through it.

    The connection is taken at the first statement: a request that is refused before it costs the pool nothing.
    """

    __slots__ = ("_connection", "_database", "added_events", "signals")

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._connection: Any = None
        self.added_events = False
        self.signals: Pending | None = None

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._connection is None:
            return
        try:
            await self._end(error)
        except BaseException as failure:
            error = failure
            raise
        finally:
            connection, self._connection = self._connection, None
            if interrupted := self._database.give_back(connection, error):
                await asyncio.shield(interrupted)
        if error is not None:
            return
        if self.added_events:
            reach("commit.after")
            self._database.tell_listeners()
        if self.signals is not None:
            self._database.signals.send(self.signals)

    async def _open(self) -> Any:
        self._connection = await self._database.take()
        return self._connection

    async def _end(self, error: BaseException | None) -> None:
        """What there is to do before the connection goes back."""


class HotConnection(_HotDoor):
    """asyncpg without a transaction: each statement commits by itself."""

    __slots__ = ()

    async def _open(self) -> Any:
        connection = await super()._open()
        if (acts := actor.as_setting()) is not None:
            self._connection = _Audited(connection, acts)
        return self._connection

    async def _end(self, _: BaseException | None) -> None:
        if isinstance(self._connection, _Audited):
            self._connection = self._connection.connection


class _Audited:
    """A connection whose statements commit by themselves, and tell PostgreSQL who acts.

    Each has a transaction of its own: what is set for a whole connection would outlive the request.
    """

    __slots__ = ("_actor", "connection")

    def __init__(self, connection: Any, actor: str) -> None:
        self.connection = connection
        self._actor = actor

    async def execute(self, sql: str, *values: Any) -> Any:
        return await self._run(self.connection.execute, sql, *values)

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Any:
        return await self._run(self.connection.executemany, sql, rows)

    async def fetch(self, sql: str, *values: Any) -> Any:
        return await self._run(self.connection.fetch, sql, *values)

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        return await self._run(self.connection.fetchrow, sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        return await self._run(self.connection.fetchval, sql, *values)

    async def _run(self, statement: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Where it is cancelled the connection is given up, and the transaction with it."""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute(SAY_WHO_ACTS, self._actor)
            result = await statement(*arguments)
        except Exception as error:
            if not database_is_away(error):
                await transaction.rollback()
            raise
        await transaction.commit()
        return result


class HotTransaction(_HotDoor):
    """asyncpg inside one transaction: committed when the block ends, rolled back when it raises."""

    __slots__ = ("_transaction",)

    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self._transaction: Any = None

    async def _open(self) -> Any:
        connection = await super()._open()
        transaction = connection.transaction()
        await transaction.start()
        self._transaction = transaction
        if (acts := actor.as_setting()) is not None:
            await connection.execute(SAY_WHO_ACTS, acts)
        return connection

    async def _end(self, error: BaseException | None) -> None:
        if self._transaction is None:
            return
        if error is None:
            if self.added_events:
                reach("commit.before")
            await self._transaction.commit()
        elif not database_is_away(error):  # else the connection is given up, and its transaction with it
            await self._transaction.rollback()


class _Session(Session):
    """Says who acts when its transaction begins, which is at the first statement."""


@event.listens_for(_Session, "after_begin")
def _say_who_acts(_: Session, transaction: SessionTransaction, connection: SyncConnection) -> None:
    if not transaction.nested and (acts := actor.as_setting()) is not None:
        connection.exec_driver_sql(SAY_WHO_ACTS, (acts,))


class Database:
    """One service's database: a pool for sessions, a pool for hot statements, both of fixed size.

    The pools open on first use, so that a service starts and stays up while its database is away.
    """

    def __init__(
        self,
        url: str,
        *,
        session_pool_size: int = 5,
        hot_pool_size: int = 8,
        statement_timeout: float = 30,
        name: str = "service",
        tls: Tls | None = None,
    ) -> None:
        self._tls = (tls or Tls()).for_asyncpg()
        self.dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.on_events_committed: list[Callable[[], None]] = []
        self.signals = Signals()
        self._settings = {"application_name": name, "statement_timeout": str(int(statement_timeout * 1000))}
        self._hot_pool = Pool(self._connect_hot, hot_pool_size)
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=session_pool_size,
            max_overflow=0,
            pool_timeout=10,
            # What a statement shows of itself may be somebody's name: not for the log.
            hide_parameters=True,
            connect_args={
                "server_settings": {**self._settings, **LIMITS},
                "timeout": 5,
                "command_timeout": COMMAND_SECONDS,
                "connection_class": _Connection,
                **self._tls,
            },
        )
        event.listen(self._engine.sync_engine, "handle_error", _doubt_all)

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Database":
        return cls(
            settings.database_url.get_secret_value(),
            session_pool_size=settings.session_pool_size,
            hot_pool_size=settings.hot_pool_size,
            statement_timeout=settings.statement_timeout_seconds,
            name=settings.service_name,
            tls=Tls.of(settings),
        )

    @asynccontextmanager
    async def tx(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that is committed when the block ends, and rolled back when it raises."""
        async with AsyncSession(self._engine, expire_on_commit=False, sync_session_class=_Session) as session:
            yield session
            added_events = session.info.get("added_events")
            if added_events:
                reach("commit.before")
            await session.commit()
            if added_events:
                reach("commit.after")
                self.tell_listeners()
            if signals := session.info.get("signals"):
                self.signals.send(signals)

    def hot_tx(self) -> HotTransaction:
        """asyncpg in a transaction that is committed when the block ends, and rolled back when it raises."""
        return HotTransaction(self)

    def hot(self) -> HotConnection:
        """asyncpg in autocommit, for what is one statement."""
        return HotConnection(self)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection outside the pools, for who must listen. The caller closes it."""
        return await self._connect_hot()

    def measure(self) -> None:
        """From now on the metrics show this database's pools."""
        sessions = cast(QueuePool, self._engine.sync_engine.pool)
        metrics.CONNECTIONS.labels("sessions").set_function(sessions.checkedout)
        metrics.CONNECTIONS.labels("hot").set_function(lambda: self._hot_pool.in_use)
        metrics.CONNECTIONS_WAITING.set_function(lambda: self._hot_pool.awaited)

    async def close(self) -> None:
        await self._hot_pool.close()
        await self._engine.dispose()

    # --- for the doors ---

    async def take(self) -> Any:
        return await self._hot_pool.acquire(within=10)

    def give_back(self, connection: Any, error: BaseException | None) -> "asyncio.Task[None] | None":
        """What was cancelled may still be under way: then the end of that, for which the caller waits."""
        if error is not None and not isinstance(error, Exception):
            return self._hot_pool.end(connection)
        self._hot_pool.release(connection, broken=error is not None and database_is_away(error))
        return None

    def tell_listeners(self) -> None:
        for listen in self.on_events_committed:
            listen()

    async def _connect_hot(self) -> "asyncpg.Connection[asyncpg.Record]":
        settings = {**self._settings, **BY_INDEX, **LIMITS}
        return await asyncpg.connect(
            self.dsn, timeout=5, command_timeout=COMMAND_SECONDS, server_settings=settings,
            connection_class=_Connection, **self._tls,
        )  # fmt: skip


def _doubt_all(context: ExceptionContext) -> None:
    """After one connection has fallen silent the session's pool drops the others too, rather than find them out one by
    one."""
    if isinstance(context.original_exception, TimeoutError):
        context.invalidate_pool_on_disconnect = True


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


Tx = AsyncSession
HotTx = HotTransaction
HotConn = HotConnection

Rows = Sequence[asyncpg.Record]
