"""Accounts, API clients and sessions that were closed recently, which unexpired tokens may still name; kept in memory.

Every request with a token is checked against them, by two look-ups in small dicts. Changes that this process commits
(as a consumer, or in the user service) are added at the commit; those of other processes are read from the tables once
a second. They are kept for about an hour, the longest life of an access token.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from service_kit.database import Database, Statement
from service_kit.database.faults import database_is_unavailable
from service_kit.problems import Problem, Unauthenticated, challenge
from service_kit.security.principal import Principal

log = structlog.get_logger(__name__)

# A token that was issued while its account was changed may carry the former permissions.
ISSUE_MARGIN = timedelta(seconds=5)
LONGEST_TOKEN_LIFE = timedelta(minutes=65)
"""The user service's settings allow an hour; the rest is for differences between clocks."""

SIGNAL = "accounts"
"""The signal (`database.signals`) that is sent with each Change and Ended when it is committed."""
FOR_EVER = float("inf")
READ = Statement("""
SELECT 'account' AS kind, user_id AS id, version,
       extract(epoch FROM CASE WHEN erased THEN NULL ELSE changed_at END)::float8 AS at
FROM account_status WHERE NOT active AND changed_at > now() - :token_life::interval
UNION ALL
SELECT 'account', user_id, version, NULL
FROM account_status WHERE expires_at IS NOT NULL AND expires_at BETWEEN now() - :token_life::interval AND now()
UNION ALL
SELECT 'session', session_id, 0, extract(epoch FROM ended_at)::float8
FROM ended_sessions WHERE ended_at > now() - :token_life::interval
""")


class PermissionRevoked(Problem, status=403, type="no-longer-allowed"):
    """This needs the permission {permission}, which your account has lost since you signed in."""


class AccountClosed(PermissionRevoked):
    """This account or API client was disabled, erased, deleted or has ended since the access token was made."""

    always_headers = challenge("invalid_token", "the account was closed")


class SessionOver(Unauthenticated, status=401, type="session-over"):
    """You were signed out of the session that this access token belongs to: sign in again."""

    always_headers = challenge("invalid_token", "the session has ended")


class Change(NamedTuple):
    """A committed change of an account; `at` None: it was erased."""

    user_id: UUID
    version: int
    at: datetime | None
    active: bool


class Ended(NamedTuple):
    """A session whose end is committed."""

    session_id: UUID
    at: datetime


class Revocations:
    """The recently closed accounts and sessions, by which every request with a token is checked."""

    def __init__(self, database: Database, refresh_seconds: float) -> None:
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._closed: dict[UUID, tuple[int, float]] = {}
        """By account: the version that closed it, and the time up to which issued tokens are rejected."""
        self._ended: dict[UUID, float] = {}
        self.any = False
        """Whether there are any: if not, requests need no look-up."""
        self._committed: list[Change | Ended] = []
        """Changes that this process committed since the last read of the tables began, and that it may have missed."""
        self._task: asyncio.Task[None] | None = None
        database.signals.listen(SIGNAL, self._apply)

    def check(self, who: Principal) -> None:
        """Raises: AccountClosed, SessionOver."""
        if (closed := self._closed.get(who.user_id)) is not None and who.issued_at <= closed[1]:
            raise AccountClosed
        if who.session_id in self._ended:
            raise SessionOver

    async def start(self) -> None:
        """Reads the tables, so that a new process knows all revocations; then repeats that in the background."""
        await self._refreshed()
        self._task = asyncio.create_task(self._keep_fresh(), name="revocations")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def refresh(self) -> None:
        self._committed.clear()
        async with self._database.connection() as connection:
            rows = await READ.fetch(connection, token_life=LONGEST_TOKEN_LIFE)
        closed: dict[UUID, tuple[int, float]] = {}
        for row in rows:
            if row["kind"] == "account":
                closed[row["id"]] = (row["version"], _until(row["at"]))
        self._closed = closed
        self._ended = {row["id"]: row["at"] for row in rows if row["kind"] == "session"}
        self._apply(tuple(self._committed))
        self.any = bool(self._closed or self._ended)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._refreshed()

    async def _refreshed(self) -> None:
        """Calls `refresh`. While the database is unavailable, the known revocations are kept."""
        try:
            await self.refresh()
        except Exception as error:
            if not database_is_unavailable(error):
                log.exception("revocations_not_read")

    def _apply(self, committed: Sequence[Any]) -> None:
        for each in committed:
            if isinstance(each, Ended):
                self._ended[each.session_id] = each.at.timestamp()
            elif isinstance(each, Change):
                self._change(each)
            else:
                continue
            self._committed.append(each)
        self.any = bool(self._closed or self._ended)

    def _change(self, change: Change) -> None:
        version, until = self._closed.get(change.user_id, (-1, 0.0))
        if until == FOR_EVER or change.version < version:
            return
        if change.active:
            self._closed.pop(change.user_id, None)
        else:
            self._closed[change.user_id] = (
                change.version,
                _until(None if change.at is None else change.at.timestamp()),
            )


def _until(changed_at: float | None) -> float:
    return FOR_EVER if changed_at is None else changed_at + ISSUE_MARGIN.total_seconds()
