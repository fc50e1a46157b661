"""Classifies errors: the database is unavailable, the same work may be retried, or a text can't be stored."""

import asyncio

import asyncpg
import sqlalchemy.exc

_UNAVAILABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg's errors for a connection whose server died in the middle of a response.
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
    # The statement took longer than the settings allow, usually because it waited for a lock.
    asyncpg.QueryCanceledError,
)
_UNSTORABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError, UnicodeEncodeError)


def database_is_unavailable(error: BaseException) -> bool:
    """True for rejected, lost and exhausted connections, and a server that starts, stops or has no resources left."""
    if isinstance(error, asyncpg.InterfaceError) and not _is_about_the_connection(error):
        return False
    return isinstance(error, _UNAVAILABLE) or _cause_is(error, _UNAVAILABLE) or _was_invalidated(error)


def may_be_retried(error: BaseException) -> bool:
    """True for deadlocks, failed serialisations and lock waits that timed out: the same work can succeed later."""
    return isinstance(error, _RETRYABLE) or _cause_is(error, _RETRYABLE)


def is_unstorable_text(error: BaseException) -> bool:
    """True for NUL and half a surrogate pair: JSON can express both, and PostgreSQL's text can't store them."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _UNSTORABLE):
            return True
        seen = seen.orig if isinstance(seen, sqlalchemy.exc.DBAPIError) and seen.orig else seen.__cause__
    return False


def is_lock_timeout(error: BaseException) -> bool:
    """True if another transaction held a lock for longer than the time-out."""
    return isinstance(error, asyncpg.LockNotAvailableError) or _cause_is(error, (asyncpg.LockNotAvailableError,))


def _cause_is(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """SQLAlchemy wraps asyncpg's error in its adapter's, and that in its own."""
    if not isinstance(error, sqlalchemy.exc.DBAPIError):
        return False
    adapted = error.orig
    return isinstance(adapted, kinds) or isinstance(getattr(adapted, "__cause__", None), kinds)


def _was_invalidated(error: BaseException) -> bool:
    return isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated


def _is_about_the_connection(error: asyncpg.InterfaceError) -> bool:
    words = str(error)
    return "connection" in words or "pool" in words
