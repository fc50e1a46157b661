"""Database sessions: requests, batches of events and jobs open their transactions here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self, cast

import asyncpg
from pydantic_core import from_json
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import QueuePool
from sqlmodel import Session as SyncSession
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.audit import actor
from service_kit.database.faults import database_is_unavailable
from service_kit.database.pool import Pool
from service_kit.database.signals import Pending, Signals
from service_kit.database.tls import Tls
from service_kit.failpoints import failpoint
from service_kit.settings import ServiceSettings
from service_kit.telemetry import metrics

# A hot statement must use an index, however few rows its tables have when it is planned: a sequential scan that was
# planned for an empty table would be kept when the table is full. Bitmap scans are off, since only ordinary index scans
# mark the entries of dead rows, so that a queue (outbox, tokens, refunds) costs the same however many rows have passed
# through it. So all custom plans would be the same, and planning takes longer than execution: the plan is generic.
BY_INDEX = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
}

# Every wait is bounded: for a locked row, for a silent server, and for a client that is idle in a transaction, whose
# locks would block others.
LIMITS = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
COMMAND_SECONDS = 35.0  # longer than any statement may take, since the server's own error says more
CLOSE_TIMEOUT = 1.0


class _Connection(asyncpg.Connection):
    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncpg's signature
        """Bounded by default, so that a stopping process does not wait for a silent server."""
        with suppress(TimeoutError):  # the connection was aborted
            await super().close(timeout=CLOSE_TIMEOUT if timeout is None else timeout)


SET_ACTOR = f"SELECT set_config('{actor.SETTING}', $1, true)"
"""Sets the actor for the rest of the transaction; the triggers that write the audit log read it."""


def _delegated(name: str) -> Callable[..., Awaitable[Any]]:
    async def method(self: "_LazyConnection", sql: str, *values: Any) -> Any:
        return await getattr(self._connection or await self._open(), name)(sql, *values)

    return method


class _LazyConnection:
    """The part of an asyncpg connection that queries need. It remembers whether events were added to the outbox.

    The connection is acquired at the first statement, so a request that is rejected before it takes none.
    """

    __slots__ = ("_connection", "_database", "added_events", "signals")

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._connection: Any = None
        self.added_events = False
        self.signals: Pending | None = None

    execute, fetch, fetchrow, fetchval = map(_delegated, ("execute", "fetch", "fetchrow", "fetchval"))

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
            if interrupted := self._database.release(connection, error):
                await asyncio.shield(interrupted)
        if error is not None:
            return
        if self.added_events:
            failpoint("commit.after")
            self._database.notify_committed()
        if self.signals is not None:
            self._database.signals.send(self.signals)

    async def _open(self) -> Any:
        self._connection = await self._database.acquire()
        return self._connection

    async def _end(self, error: BaseException | None) -> None:
        """Is called before the connection is released; ends the transaction, if there is one."""


class Connection(_LazyConnection):
    """asyncpg without a transaction: each statement commits by itself."""

    __slots__ = ()

    async def _open(self) -> Any:
        connection = await super()._open()
        if (caller := actor.as_setting()) is not None:
            self._connection = _Audited(connection, caller)
        return self._connection

    async def _end(self, _: BaseException | None) -> None:
        if isinstance(self._connection, _Audited):
            self._connection = self._connection.connection


class _Audited:
    """An autocommit connection that sets the actor for the audit log.

    Each statement has its own transaction: a setting of the whole connection would outlive the request.
    """

    __slots__ = ("_actor", "connection")

    def __init__(self, connection: Any, actor: str) -> None:
        self.connection = connection
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        return partial(self._run, getattr(self.connection, name))

    async def _run(self, statement: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """If it is cancelled, the connection is closed, and with it the transaction."""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute(SET_ACTOR, self._actor)
            result = await statement(*arguments)
        except Exception as error:
            if not database_is_unavailable(error):
                await transaction.rollback()
            raise
        await transaction.commit()
        return result


class Transaction(_LazyConnection):
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
        if (caller := actor.as_setting()) is not None:
            await connection.execute(SET_ACTOR, caller)
        return connection

    async def _end(self, error: BaseException | None) -> None:
        if self._transaction is None:
            return
        if error is None:
            if self.added_events:
                failpoint("commit.before")
            await self._transaction.commit()
        elif not database_is_unavailable(error):  # otherwise the connection is closed, and with it the transaction
            await self._transaction.rollback()


Session = AsyncSession
AnySession = Session | Transaction | Connection


class _AuditedSession(SyncSession):
    """Sets the actor when its transaction begins, which is at the first statement."""


@event.listens_for(_AuditedSession, "after_begin")
def _set_actor(_: SyncSession, transaction: SessionTransaction, connection: SyncConnection) -> None:
    if not transaction.nested and (caller := actor.as_setting()) is not None:
        connection.exec_driver_sql(SET_ACTOR, (caller,))


class Database:
    """One service's database: a pool for sessions, a pool for hot statements, both of fixed size.

    The pools open on first use, so that a service starts and stays up while its database is unavailable.
    """

    def __init__(
        self,
        url: str,
        *,
        session_pool_size: int = 5,
        asyncpg_pool_size: int = 8,
        statement_timeout: float = 30,
        name: str = "service",
        tls: Tls | None = None,
    ) -> None:
        self._tls = (tls or Tls()).for_asyncpg()
        self.dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.on_events_committed: list[Callable[[], None]] = []
        self.signals = Signals()
        self._settings = {"application_name": name, "statement_timeout": str(int(statement_timeout * 1000))}
        self._asyncpg_pool = Pool(self._connect_asyncpg, asyncpg_pool_size)
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=session_pool_size,
            max_overflow=0,
            pool_timeout=10,
            # Parameters may be personal data, which must not be logged.
            hide_parameters=True,
            connect_args={
                "server_settings": {**self._settings, **LIMITS},
                "timeout": 5,
                "command_timeout": COMMAND_SECONDS,
                "connection_class": _Connection,
                **self._tls,
            },
        )
        event.listen(self._engine.sync_engine, "handle_error", _invalidate_pool)

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Database":
        return cls(
            settings.database_url.get_secret_value(),
            session_pool_size=settings.session_pool_size,
            asyncpg_pool_size=settings.asyncpg_pool_size,
            statement_timeout=settings.statement_timeout_seconds,
            name=settings.service_name,
            tls=Tls.of(settings),
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that is committed when the block ends, and rolled back when it raises."""
        async with AsyncSession(self._engine, expire_on_commit=False, sync_session_class=_AuditedSession) as session:
            yield session
            added_events = session.info.get("added_events")
            if added_events:
                failpoint("commit.before")
            await session.commit()
            if added_events:
                failpoint("commit.after")
                self.notify_committed()
            if signals := session.info.get("signals"):
                self.signals.send(signals)

    def transaction(self) -> Transaction:
        """asyncpg in a transaction that is committed when the block ends, and rolled back when it raises."""
        return Transaction(self)

    def connection(self) -> Connection:
        """asyncpg in autocommit, for single statements."""
        return Connection(self)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection outside the pools, for LISTEN. The caller closes it."""
        return await self._connect_asyncpg()

    def measure(self) -> None:
        """Adds this database's pools to the metrics."""
        sessions = cast(QueuePool, self._engine.sync_engine.pool)
        metrics.CONNECTIONS.labels("sessions").set_function(sessions.checkedout)
        metrics.CONNECTIONS.labels("asyncpg").set_function(lambda: self._asyncpg_pool.in_use)
        metrics.CONNECTIONS_MAX.labels("sessions").set(sessions.size())
        metrics.CONNECTIONS_MAX.labels("asyncpg").set(self._asyncpg_pool.size)
        metrics.CONNECTIONS_WAITING.set_function(lambda: self._asyncpg_pool.waiting)

    async def close(self) -> None:
        await self._asyncpg_pool.close()
        await self._engine.dispose()

    # --- for connections and transactions ---

    async def acquire(self) -> Any:
        return await self._asyncpg_pool.acquire(within=10)

    def release(self, connection: Any, error: BaseException | None) -> "asyncio.Task[None] | None":
        """A cancelled statement may still be running: then this returns a task to await, which ends with it."""
        if error is not None and not isinstance(error, Exception):
            return self._asyncpg_pool.end(connection)
        self._asyncpg_pool.release(connection, broken=error is not None and database_is_unavailable(error))
        return None

    def notify_committed(self) -> None:
        for listen in self.on_events_committed:
            listen()

    async def _connect_asyncpg(self) -> "asyncpg.Connection[asyncpg.Record]":
        settings = {**self._settings, **BY_INDEX, **LIMITS}
        connection = await asyncpg.connect(
            self.dsn, timeout=5, command_timeout=COMMAND_SECONDS, server_settings=settings,
            connection_class=_Connection, **self._tls,
        )  # fmt: skip
        try:
            for name in ("json", "jsonb"):  # as SQLAlchemy does on its connections
                await connection.set_type_codec(name, schema="pg_catalog", encoder=_unchanged, decoder=from_json)
        except BaseException:
            connection.terminate()
            raise
        return connection


def _unchanged(text: str) -> str:
    """`Statement` has serialized the JSON: asyncpg would take a list within an array for another dimension."""
    return text


def _invalidate_pool(context: ExceptionContext) -> None:
    """After one connection timed out, the session's pool drops the others too, instead of timing out on each."""
    if isinstance(context.original_exception, TimeoutError):
        context.invalidate_pool_on_disconnect = True


def mark_events_added(db: AnySession) -> None:
    """Wakes the relay when the transaction has committed."""
    if isinstance(db, AsyncSession):
        db.info["added_events"] = True
    else:
        db.added_events = True
