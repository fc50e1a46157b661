"""Which errors say that the database is away, and which that the same work may simply be tried again."""

import asyncio

import asyncpg
import sqlalchemy.exc

_UNAVAILABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says of a connection whose server died in the middle of an answer.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,
    sqlalchemy.exc.TimeoutError,
)
_RETRYABLE = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    # The statement took longer than the settings let it: mostly, since it waited for somebody's lock.
    asyncpg.QueryCanceledError,
)
_UNSTORABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError, UnicodeEncodeError)


def database_is_unavailable(error: BaseException) -> bool:
    """True for rejected, lost and exhausted connections, a server that starts, stops or has no room: nobody's fault."""
    if isinstance(error, asyncpg.InterfaceError) and not _is_about_the_connection(error):
        return False
    return isinstance(error, _UNAVAILABLE) or _cause_is(error, _UNAVAILABLE) or _was_invalidated(error)


def may_be_retried(error: BaseException) -> bool:
    """True for deadlocks, failed serialisations and waits that were cut short: the same work can succeed later."""
    return isinstance(error, _RETRYABLE) or _cause_is(error, _RETRYABLE)


def is_unstorable_text(error: BaseException) -> bool:
    """True for NUL and half a surrogate pair: JSON can spell both, and PostgreSQL's text holds neither."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _UNSTORABLE):
            return True
        seen = seen.orig if isinstance(seen, sqlalchemy.exc.DBAPIError) and seen.orig else seen.__cause__
    return False


def is_lock_timeout(error: BaseException) -> bool:
    """True where somebody else held what was wanted for as long as we wait."""
    return isinstance(error, asyncpg.LockNotAvailableError) or _cause_is(error, (asyncpg.LockNotAvailableError,))


def _cause_is(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """SQLAlchemy wraps twice: its own error around its adapter's around asyncpg's."""
    if not isinstance(error, sqlalchemy.exc.DBAPIError):
        return False
    adapted = error.orig
    return isinstance(adapted, kinds) or isinstance(getattr(adapted, "__cause__", None), kinds)


def _was_invalidated(error: BaseException) -> bool:
    return isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated


def _is_about_the_connection(error: asyncpg.InterfaceError) -> bool:
    words = str(error)
    return "connection" in words or "pool" in words
