"""Account status: the service's own copy of what each account may do now, updated from the topic `users`.

An access token is valid for ten minutes. For operations where that is too long (contracts/permissions.py: SENSITIVE)
the account status is checked as well. It decides about tokens that were issued before its last change; a later token
was issued with the new permissions. API clients have a status like people. Accounts and sessions that were closed
lately are kept in memory too (`revocations`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.events.users import ApiClientChanged, EndedSession, SessionEnded, UserChanged, UserErased
from contracts.permissions import permissions_of
from service_kit.clock import utcnow
from service_kit.database.sessions import Connection, Transaction, fetch
from service_kit.database.signals import signal
from service_kit.personal_data.models import Section
from service_kit.security.principal import Principal
from service_kit.security.revocations import (
    IN_THE_MAKING,
    LONGEST_TOKEN_LIFE,
    SIGNAL,
    Change,
    Ended,
    PermissionRevoked,
    SessionOver,
)

AnySession = AsyncSession | Transaction | Connection
Account = UserChanged | ApiClientChanged

MOST_ENDED_SESSIONS = 200
"""In a snapshot; more than these one account ends within an hour only by a program, and each has its own event."""

FIND = """
SELECT known.active, known.permissions, known.changed_at, known.erased, known.expires_at,
       EXISTS (SELECT FROM ended_sessions WHERE session_id = $2) AS session_ended
FROM (SELECT) AS one LEFT JOIN account_status known ON known.user_id = $1
"""
# An array of arrays can't be unnested: the permissions of each account come as one text. Erased accounts stay erased.
UPDATE = """
INSERT INTO account_status AS known (user_id, version, changed_at, active, permissions, expires_at, erased)
SELECT user_id, version, changed_at, active, string_to_array(permissions, ' '), expires_at, false
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bool[], $5::text[], $6::timestamptz[])
     AS event (user_id, version, changed_at, active, permissions, expires_at)
ON CONFLICT (user_id) DO UPDATE
SET version = excluded.version, changed_at = excluded.changed_at, active = excluded.active,
    permissions = excluded.permissions, expires_at = excluded.expires_at
WHERE known.version < excluded.version AND NOT known.erased
RETURNING user_id, version, changed_at, active
"""
ERASE = """
INSERT INTO account_status (user_id, version, changed_at, active, permissions, erased)
SELECT user_id, version, now(), false, '{}', true FROM unnest($1::uuid[], $2::bigint[]) AS event (user_id, version)
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at, active = false,
    permissions = '{}', erased = true
"""
ERASE_SESSIONS = "DELETE FROM ended_sessions WHERE user_id = ANY($1::uuid[])"
END_SESSIONS = """
INSERT INTO ended_sessions (session_id, user_id, ended_at)
SELECT DISTINCT ON (session_id) session_id, user_id, ended_at
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS event (session_id, user_id, ended_at)
WHERE ended_at > now() - $4::interval
ORDER BY session_id
ON CONFLICT DO NOTHING
"""
RECENTLY_ENDED = """
SELECT session_id, ended_at FROM ended_sessions
WHERE user_id = $1 AND ended_at > now() - $2::interval ORDER BY ended_at DESC LIMIT $3
"""
RECENTLY_ERASED = "SELECT user_id FROM account_status WHERE erased AND changed_at > now() - interval '90 days'"
# Twice a day's work, so that a job that runs each day misses none, whenever it is started.
ERASED_A_DAY_AGO = """
SELECT user_id, version FROM account_status
WHERE erased AND changed_at BETWEEN now() - interval '52 hours' AND now() - interval '26 hours' ORDER BY user_id
"""
EXPORT = Section(
    "account_status",
    """
    SELECT user_id,
           (to_jsonb(known) || jsonb_build_object('ended_sessions', ARRAY(
               SELECT to_jsonb(ended) FROM ended_sessions AS ended
               WHERE ended.user_id = $1 ORDER BY ended.ended_at)))::text
    FROM account_status AS known WHERE user_id = $1 AND user_id > $2 LIMIT $3
    """,
)


async def check(db: AnySession, who: Principal, permissions: Iterable[str]) -> None:
    """Raises: PermissionRevoked, where the account was disabled or erased, or has lost one of the permissions;
    SessionOver, where the session was ended.

    The token of an unknown account is trusted: the account is so new that nothing was taken from it yet
    (docs/decisions/0013).
    """
    active, held, changed_at, erased, expires_at, session_ended = (await fetch(db, FIND, who.user_id, who.session_id))[
        0
    ]
    if session_ended:
        raise SessionOver
    if changed_at is None:
        return
    over = erased or (expires_at is not None and expires_at <= utcnow())
    if not over and who.issued_at > (changed_at + IN_THE_MAKING).timestamp():
        return
    for permission in permissions:
        if over or not active or permission not in held:
            raise PermissionRevoked(permission=permission)


async def update(db: AnySession, accounts: Sequence[Account], times: Sequence[datetime]) -> None:
    """Takes over what is newer, from one event of each account. `times`: when the events were made, by the clock of the
    user service, which also dates the tokens."""
    newer = await fetch(
        db,
        UPDATE,
        [account.user_id for account in accounts],
        [account.version for account in accounts],
        list(times),
        [account.active for account in accounts],
        [" ".join(_permissions(account)) for account in accounts],
        [account.expires_at if isinstance(account, ApiClientChanged) else None for account in accounts],
    )
    signal(db, SIGNAL, *(Change(*row) for row in newer))
    ended = [
        (account.user_id, session)
        for account in accounts
        if isinstance(account, UserChanged)
        for session in account.ended_sessions
    ]
    await _end(db, ended)


async def end_sessions(db: AnySession, event: SessionEnded) -> None:
    """Access tokens of these sessions are rejected from now on."""
    ended = [EndedSession(session_id=session_id, ended_at=event.ended_at) for session_id in event.session_ids]
    await _end(db, [(event.user_id, session) for session in ended])


async def recently_ended_sessions(db: AnySession, user_id: UUID) -> list[EndedSession]:
    """The account's ended sessions of which access tokens may still be valid; the latest first."""
    rows = await fetch(db, RECENTLY_ENDED, user_id, LONGEST_TOKEN_LIFE, MOST_ENDED_SESSIONS)
    return [EndedSession(session_id=row[0], ended_at=row[1]) for row in rows]


async def erase(db: AnySession, users: Sequence[UserErased]) -> None:
    """The row stays with its id, so that no older event restores the account. One event of each account."""
    await fetch(db, ERASE, [user.user_id for user in users], [user.version for user in users])
    await fetch(db, ERASE_SESSIONS, [user.user_id for user in users])
    signal(db, SIGNAL, *(Change(user.user_id, user.version, None, active=False) for user in users))


async def is_erased(db: AnySession, user_id: UUID) -> bool:
    return bool(await fetch(db, "SELECT 1 FROM account_status WHERE user_id = $1 AND erased", user_id))


async def recently_erased(db: AnySession) -> list[UUID]:
    """The accounts that were erased in the last 90 days."""
    return [row[0] for row in await fetch(db, RECENTLY_ERASED)]


async def erased_a_day_ago(db: AnySession) -> list[UserErased]:
    """The events of the accounts that were erased 26 to 52 hours ago."""
    return [UserErased(user_id=row[0], version=row[1]) for row in await fetch(db, ERASED_A_DAY_AGO)]


async def _end(db: AnySession, ended: Sequence[tuple[UUID, EndedSession]]) -> None:
    if not ended:
        return
    await fetch(
        db,
        END_SESSIONS,
        [session.session_id for _, session in ended],
        [user_id for user_id, _ in ended],
        [session.ended_at for _, session in ended],
        LONGEST_TOKEN_LIFE,
    )
    signal(db, SIGNAL, *(Ended(session.session_id, session.ended_at) for _, session in ended))


def _permissions(account: Account) -> Iterable[str]:
    """As in the event. Events from before they carried permissions name built-in roles only."""
    if isinstance(account, UserChanged) and account.permissions is None:
        return sorted(permissions_of(account.roles))
    return account.permissions or []
