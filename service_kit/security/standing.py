"""What an account may do by now, whatever its token still says: the service's own copy, fed by the topic `users`.

A token is believed until it ends, within ten minutes; where that is too long (contracts/permissions.py: SENSITIVE) the
copy is asked too. It decides about the tokens that were made before what it knows happened: a newer one says more. API
clients stand in it like people. What was closed for good or for now is kept in memory too (`revocations`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.events.users import ApiClientChanged, EndedSession, SessionEnded, UserChanged, UserErased
from contracts.permissions import permissions_of
from service_kit.clock import utcnow
from service_kit.database.doors import HotConnection, HotTransaction, fetch
from service_kit.database.signals import signal
from service_kit.security.principal import Principal
from service_kit.security.revocations import (
    IN_THE_MAKING,
    LONGEST_TOKEN_LIFE,
    SIGNAL,
    Change,
    Ended,
    NoLongerAllowed,
    SessionOver,
)

__all__ = ["NoLongerAllowed", "SessionOver"]

Door = AsyncSession | HotTransaction | HotConnection
Account = UserChanged | ApiClientChanged

MOST_ENDED_SESSIONS = 200
"""In a snapshot; more than these one account ends within an hour only by a program, and each has its own event."""

FIND = """
SELECT known.active, known.permissions, known.changed_at, known.erased, known.expires_at,
       EXISTS (SELECT FROM ended_sessions WHERE session_id = $2) AS session_ended
FROM (SELECT) AS one LEFT JOIN user_standings known ON known.user_id = $1
"""
# An array of arrays can't be unnested: the permissions of each come as one text. The erased stay erased.
REMEMBER = """
INSERT INTO user_standings AS known (user_id, version, changed_at, active, permissions, expires_at, erased)
SELECT DISTINCT ON (user_id) user_id, version, changed_at, active, string_to_array(permissions, ' '), expires_at, false
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bool[], $5::text[], $6::timestamptz[])
     AS told (user_id, version, changed_at, active, permissions, expires_at)
ORDER BY user_id, version DESC
ON CONFLICT (user_id) DO UPDATE
SET version = excluded.version, changed_at = excluded.changed_at, active = excluded.active,
    permissions = excluded.permissions, expires_at = excluded.expires_at
WHERE known.version < excluded.version AND NOT known.erased
RETURNING user_id, version, changed_at, active
"""
FORGET = """
INSERT INTO user_standings (user_id, version, changed_at, active, permissions, erased)
SELECT DISTINCT ON (user_id) user_id, version, now(), false, '{}', true
FROM unnest($1::uuid[], $2::bigint[]) AS gone (user_id, version)
ORDER BY user_id, version DESC
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at, active = false,
    permissions = '{}', erased = true
"""
FORGET_SESSIONS = "DELETE FROM ended_sessions WHERE user_id = ANY($1::uuid[])"
END_SESSIONS = """
INSERT INTO ended_sessions (session_id, user_id, ended_at)
SELECT DISTINCT ON (session_id) session_id, user_id, ended_at
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS told (session_id, user_id, ended_at)
WHERE ended_at > now() - $4::interval
ORDER BY session_id
ON CONFLICT DO NOTHING
"""
ENDED_LATELY = """
SELECT session_id, ended_at FROM ended_sessions
WHERE user_id = $1 AND ended_at > now() - $2::interval ORDER BY ended_at DESC LIMIT $3
"""
ERASED_LATELY = "SELECT user_id FROM user_standings WHERE erased AND changed_at > now() - interval '90 days'"
# Twice a day's work, so that a job that runs each day misses none, whenever it is started.
ERASED_A_DAY_AGO = """
SELECT user_id, version FROM user_standings
WHERE erased AND changed_at BETWEEN now() - interval '52 hours' AND now() - interval '26 hours' ORDER BY user_id
"""
EXPORT = """
SELECT user_id,
       (to_jsonb(known) || jsonb_build_object('ended_sessions', ARRAY(
           SELECT to_jsonb(ended) FROM ended_sessions AS ended WHERE ended.user_id = $1 ORDER BY ended.ended_at)))::text
FROM user_standings AS known WHERE user_id = $1 AND user_id > $2 LIMIT $3
"""
"""A section of a person's export."""


async def check(door: Door, who: Principal, permissions: Iterable[str]) -> None:
    """Raises: NoLongerAllowed, where the account was disabled or erased, or has lost one of the permissions;
    SessionOver, where the session was ended.

    Of an account that was not heard of the token is believed: it is so new that nothing was taken from it yet
    (docs/decisions/0013).
    """
    active, held, changed_at, erased, expires_at, session_ended = (
        await fetch(door, FIND, who.user_id, who.session_id)
    )[0]
    if session_ended:
        raise SessionOver
    if changed_at is None:
        return
    over = erased or (expires_at is not None and expires_at <= utcnow())
    if not over and who.issued_at > (changed_at + IN_THE_MAKING).timestamp():
        return
    for permission in permissions:
        if over or not active or permission not in held:
            raise NoLongerAllowed(permission=permission)


async def remember(door: Door, accounts: Sequence[Account], times: Sequence[datetime]) -> None:
    """Keeps the newest of each account; `times`: when each was said, by the clock that tokens are made by."""
    newer = await fetch(
        door,
        REMEMBER,
        [account.user_id for account in accounts],
        [account.version for account in accounts],
        list(times),
        [account.active for account in accounts],
        [" ".join(_permissions(account)) for account in accounts],
        [account.expires_at if isinstance(account, ApiClientChanged) else None for account in accounts],
    )
    signal(door, SIGNAL, *(Change(*row) for row in newer))
    ended = [
        (account.user_id, session)
        for account in accounts
        if isinstance(account, UserChanged)
        for session in account.ended_sessions
    ]
    await _end(door, ended)


async def end_sessions(door: Door, events: Sequence[SessionEnded]) -> None:
    """Their access tokens are refused from now on."""
    await _end(
        door,
        [
            (event.user_id, EndedSession(session_id=session_id, ended_at=event.ended_at))
            for event in events
            for session_id in event.session_ids
        ],
    )


async def ended_lately(door: Door, user_id: UUID) -> list[EndedSession]:
    """The account's sessions that ended so lately that access tokens of theirs may be about; the latest first."""
    rows = await fetch(door, ENDED_LATELY, user_id, LONGEST_TOKEN_LIFE, MOST_ENDED_SESSIONS)
    return [EndedSession(session_id=row[0], ended_at=row[1]) for row in rows]


async def forget(door: Door, users: Sequence[UserErased]) -> None:
    """The id stays, as the last word on it."""
    await fetch(door, FORGET, [user.user_id for user in users], [user.version for user in users])
    await fetch(door, FORGET_SESSIONS, [user.user_id for user in users])
    signal(door, SIGNAL, *(Change(user.user_id, user.version, None, active=False) for user in users))


async def is_erased(door: Door, user_id: UUID) -> bool:
    return bool(await fetch(door, "SELECT 1 FROM user_standings WHERE user_id = $1 AND erased", user_id))


async def erased_lately(door: Door) -> list[UUID]:
    """Whose data may still turn up: from a token that had not ended, or a parcel that had not left."""
    return [row[0] for row in await fetch(door, ERASED_LATELY)]


async def erased_a_day_ago(door: Door) -> list[tuple[UUID, int]]:
    """Who, and the version of their last word."""
    return [(row[0], row[1]) for row in await fetch(door, ERASED_A_DAY_AGO)]


async def _end(door: Door, ended: Sequence[tuple[UUID, EndedSession]]) -> None:
    if not ended:
        return
    await fetch(
        door,
        END_SESSIONS,
        [session.session_id for _, session in ended],
        [user_id for user_id, _ in ended],
        [session.ended_at for _, session in ended],
        LONGEST_TOKEN_LIFE,
    )
    signal(door, SIGNAL, *(Ended(session.session_id, session.ended_at) for _, session in ended))


def _permissions(account: Account) -> Iterable[str]:
    """As the event says; one that was said before events told them has built-in roles alone."""
    if isinstance(account, UserChanged) and account.permissions is None:
        return sorted(permissions_of(account.roles))
    return account.permissions or []
