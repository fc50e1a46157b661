"""Account status: the service's own copy of what each account may do now, updated from the topic `users`.

An access token is valid for ten minutes. For operations where that is too long (contracts/permissions.py: SENSITIVE),
the account status is checked as well. It decides about tokens that were issued before its last change; a later token
has the new permissions. API clients have a status like people. Accounts and sessions that were closed recently are also
kept in memory (`revocations`).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from contracts.events.users import ApiClientChanged, EndedSession, SessionEnded, UserChanged, UserErased, UserMerged
from contracts.permissions import permissions_of
from service_kit.clock import utcnow
from service_kit.database import AnySession, Statement, rows
from service_kit.database.signals import signal
from service_kit.personal_data.models import Section
from service_kit.security.principal import Principal
from service_kit.security.revocations import (
    ISSUE_MARGIN,
    LONGEST_TOKEN_LIFE,
    SIGNAL,
    Change,
    Ended,
    PermissionRevoked,
    SessionOver,
)

Account = UserChanged | ApiClientChanged

MOST_ENDED_SESSIONS = 200
"""In a snapshot. Only a program ends more sessions of an account within an hour; `SessionEnded` events name all."""

FIND = Statement("""
SELECT known.active, known.permissions, known.changed_at, known.erased, known.expires_at,
       EXISTS (SELECT FROM ended_sessions WHERE session_id = :who.session_id) AS session_ended
FROM (SELECT) AS one LEFT JOIN account_status known ON known.user_id = :who.user_id
""")


class _Status(NamedTuple):
    user_id: UUID
    version: int
    changed_at: datetime
    active: bool
    permissions: str
    """Separated by spaces, since `unnest` would flatten an array of arrays."""
    expires_at: datetime | None


class _Session(NamedTuple):
    session_id: UUID
    user_id: UUID
    ended_at: datetime


# A later event can't restore an erased account.
UPDATE = Statement(f"""
INSERT INTO account_status AS known (user_id, version, changed_at, active, permissions, expires_at, erased)
SELECT user_id, version, changed_at, active, string_to_array(permissions, ' '), expires_at, false
FROM {rows("event", _Status)}
ON CONFLICT (user_id) DO UPDATE
SET version = excluded.version, changed_at = excluded.changed_at, active = excluded.active,
    permissions = excluded.permissions, expires_at = excluded.expires_at
WHERE known.version < excluded.version AND NOT known.erased
RETURNING user_id, version, changed_at, active
""")  # noqa: S608 (no input in it)
ERASE = Statement(f"""
INSERT INTO account_status (user_id, version, changed_at, active, permissions, erased)
SELECT user_id, version, now(), false, '{{}}', true FROM {rows("event", UserErased, "user_id", "version")}
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at, active = false,
    permissions = '{{}}', erased = true
""")  # noqa: S608 (no input in it)
# `erased` too, so that nothing restores it: whatever holds for an erased account holds for a merged one.
MERGE = Statement(f"""
INSERT INTO account_status (user_id, version, changed_at, active, permissions, erased, merged_into)
SELECT user_id, version, now(), false, '{{}}', true, "into"
FROM {rows("event", UserMerged, "user_id", "version", "into")}
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at, active = false,
    permissions = '{{}}', erased = true, merged_into = excluded.merged_into
WHERE account_status.merged_into IS NULL
""")  # noqa: S608 (no input in it)
# Waits for an erasure that is not committed yet, and lets later ones wait for this transaction.
ERASED_AMONG = Statement("""
SELECT user_id, erased FROM account_status WHERE user_id = ANY(:user_ids::uuid[]) ORDER BY user_id FOR SHARE
""")
RECENTLY_MERGED = Statement("""
SELECT user_id, version, merged_into AS "into" FROM account_status
WHERE erased AND merged_into IS NOT NULL AND changed_at > now() - interval '90 days' ORDER BY user_id
""")
ERASE_SESSIONS = Statement("DELETE FROM ended_sessions WHERE user_id = ANY(:user_ids::uuid[])")
END_SESSIONS = Statement(f"""
INSERT INTO ended_sessions (session_id, user_id, ended_at)
SELECT DISTINCT ON (session_id) session_id, user_id, ended_at
FROM {rows("event", _Session)}
WHERE ended_at > now() - :token_life::interval
ORDER BY session_id
ON CONFLICT DO NOTHING
""")  # noqa: S608 (no input in it)
RECENTLY_ENDED = Statement("""
SELECT session_id, ended_at FROM ended_sessions
WHERE user_id = :user_id AND ended_at > now() - :token_life::interval ORDER BY ended_at DESC LIMIT :limit
""")
RECENTLY_ERASED = Statement("""
SELECT user_id FROM account_status
WHERE erased AND merged_into IS NULL AND changed_at > now() - interval '90 days' ORDER BY user_id
""")
IS_ERASED = Statement("SELECT EXISTS (SELECT FROM account_status WHERE user_id = :user_id AND erased)")
# The window is 26 hours, longer than the interval of a daily job, so that the job misses no account.
ENDED_A_DAY_AGO = Statement("""
SELECT user_id, version, merged_into FROM account_status
WHERE erased AND changed_at BETWEEN now() - interval '52 hours' AND now() - interval '26 hours' ORDER BY user_id
""")
EXPORT = Section(
    "account_status",
    "account_status",
    "user_id = :account_id",
    """
    to_jsonb({table}) || jsonb_build_object('ended_sessions', ARRAY(
        SELECT to_jsonb(ended) FROM ended_sessions AS ended WHERE ended.user_id = :account_id ORDER BY ended.ended_at))
    """,
    id="user_id",
)


async def check(db: AnySession, who: Principal, permissions: Iterable[str]) -> None:
    """Raises: PermissionRevoked, if the account was disabled or erased, or has lost one of the permissions;
    SessionOver, if the session was ended.

    The token of an unknown account is trusted: the account is so new that it has not lost a permission yet
    (docs/decisions/0013).
    """
    active, held, changed_at, erased, expires_at, session_ended = await FIND.fetchrow(db, who=who)
    if session_ended:
        raise SessionOver
    if changed_at is None:
        return
    over = erased or (expires_at is not None and expires_at <= utcnow())
    if not over and who.issued_at > (changed_at + ISSUE_MARGIN).timestamp():
        return
    for permission in permissions:
        if over or not active or permission not in held:
            raise PermissionRevoked(permission=permission)


async def update(db: AnySession, accounts: Sequence[Account], times: Sequence[datetime]) -> None:
    """Stores newer statuses from one event of each account. `times`: when the events were created, by the clock of the
    user service, which also sets the time of tokens."""
    statuses = [
        _Status(
            account.user_id, account.version, time, account.active, " ".join(_permissions(account)),
            account.expires_at if isinstance(account, ApiClientChanged) else None,
        )
        for account, time in zip(accounts, times, strict=True)
    ]  # fmt: skip
    signal(db, SIGNAL, *(Change(*row) for row in await UPDATE.fetch(db, event=statuses)))
    ended = [
        _Session(session.session_id, account.user_id, session.ended_at)
        for account in accounts
        if isinstance(account, UserChanged)
        for session in account.ended_sessions
    ]
    await _end(db, ended)


async def end_sessions(db: AnySession, event: SessionEnded) -> None:
    """Rejects access tokens of these sessions from now on."""
    await _end(db, [_Session(session_id, event.user_id, event.ended_at) for session_id in event.session_ids])


async def recently_ended_sessions(db: AnySession, user_id: UUID) -> list[EndedSession]:
    """The account's ended sessions that have access tokens which have not expired; the latest first."""
    return await RECENTLY_ENDED.fetch_as(
        db, EndedSession, user_id=user_id, token_life=LONGEST_TOKEN_LIFE, limit=MOST_ENDED_SESSIONS
    )


async def erase(db: AnySession, users: Sequence[UserErased]) -> None:
    """Marks accounts as erased, from one event of each. Their rows stay, so that no older event restores them."""
    await ERASE.execute(db, event=users)
    await ERASE_SESSIONS.execute(db, user_ids=[user.user_id for user in users])
    signal(db, SIGNAL, *(Change(user.user_id, user.version, None, active=False) for user in users))


async def merge(db: AnySession, users: Sequence[UserMerged]) -> None:
    """Marks accounts as closed for good, and remembers what they became part of. Repeating it changes nothing."""
    await MERGE.execute(db, event=users)
    await ERASE_SESSIONS.execute(db, user_ids=[user.user_id for user in users])
    signal(db, SIGNAL, *(Change(user.user_id, user.version, None, active=False) for user in users))


async def erased_among(db: AnySession, user_ids: Collection[UUID]) -> set[UUID]:
    """Those of the accounts that were erased. None of the others can be erased before the transaction ends."""
    return {row[0] for row in await ERASED_AMONG.fetch(db, user_ids=sorted(set(user_ids))) if row[1]}


async def is_erased(db: AnySession, user_id: UUID) -> bool:
    return bool(await IS_ERASED.fetchval(db, user_id=user_id))


async def recently_erased(db: AnySession) -> list[UUID]:
    """The accounts that were erased in the last 90 days."""
    return [row[0] for row in await RECENTLY_ERASED.fetch(db)]


async def recently_merged(db: AnySession) -> list[UserMerged]:
    """The events of the accounts that were merged into others in the last 90 days."""
    return await RECENTLY_MERGED.fetch_as(db, UserMerged)


async def ended_a_day_ago(db: AnySession) -> list[UserErased | UserMerged]:
    """The terminal events of the accounts that were erased, or merged into others, 26 to 52 hours ago."""
    return [
        UserErased(user_id=id, version=version) if into is None else UserMerged(user_id=id, version=version, into=into)
        for id, version, into in await ENDED_A_DAY_AGO.fetch(db)
    ]


async def _end(db: AnySession, ended: Sequence[_Session]) -> None:
    if not ended:
        return
    await END_SESSIONS.execute(db, event=ended, token_life=LONGEST_TOKEN_LIFE)
    signal(db, SIGNAL, *(Ended(session.session_id, session.ended_at) for session in ended))


def _permissions(account: Account) -> Iterable[str]:
    """The permissions in the event. Events from before they had permissions name built-in roles only."""
    if isinstance(account, UserChanged) and account.permissions is None:
        return sorted(permissions_of(account.roles))
    return account.permissions or []
