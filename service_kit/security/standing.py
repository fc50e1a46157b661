"""What an account may do by now, whatever its token still says: the service's own copy, fed by the topic `users`.

A token is believed until it ends, within ten minutes; where that is too long (contracts/permissions.py: SENSITIVE) the
copy is asked too. It decides about the tokens that were made before what it knows happened: a newer one says more.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.events.users import UserChanged, UserErased
from contracts.permissions import permissions_of
from service_kit.database.doors import HotConnection, HotTransaction, fetch
from service_kit.problems import Problem
from service_kit.security.principal import Principal

Door = AsyncSession | HotTransaction | HotConnection

# A token that was being made while its account was changed may hold what was true before.
IN_THE_MAKING = timedelta(seconds=5)

FIND = "SELECT active, permissions, changed_at, erased FROM user_standings WHERE user_id = $1"
# An array of arrays can't be unnested: the permissions of each come as one text. The erased stay erased.
REMEMBER = """
INSERT INTO user_standings AS known (user_id, version, changed_at, active, permissions, erased)
SELECT DISTINCT ON (user_id) user_id, version, changed_at, active, string_to_array(permissions, ' '), false
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bool[], $5::text[])
     AS told (user_id, version, changed_at, active, permissions)
ORDER BY user_id, version DESC
ON CONFLICT (user_id) DO UPDATE
SET version = excluded.version, changed_at = excluded.changed_at, active = excluded.active,
    permissions = excluded.permissions
WHERE known.version < excluded.version AND NOT known.erased
"""
FORGET = """
INSERT INTO user_standings (user_id, version, changed_at, active, permissions, erased)
SELECT DISTINCT ON (user_id) user_id, version, now(), false, '{}', true
FROM unnest($1::uuid[], $2::bigint[]) AS gone (user_id, version)
ORDER BY user_id, version DESC
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at, active = false,
    permissions = '{}', erased = true
"""
ERASED_LATELY = "SELECT user_id FROM user_standings WHERE erased AND changed_at > now() - interval '90 days'"
# Twice a day's work, so that a job that runs each day misses none, whenever it is started.
ERASED_A_DAY_AGO = """
SELECT user_id, version FROM user_standings
WHERE erased AND changed_at BETWEEN now() - interval '52 hours' AND now() - interval '26 hours' ORDER BY user_id
"""
EXPORT = """
SELECT user_id, to_jsonb(user_standings)::text FROM user_standings WHERE user_id = $1 AND user_id > $2 LIMIT $3
"""
"""A section of a person's export."""


class NoLongerAllowed(Problem, status=403, type="no-longer-allowed"):
    """This needs the permission {permission}, which your account has lost since you signed in."""


async def check(door: Door, who: Principal, permissions: Iterable[str]) -> None:
    """Raises: NoLongerAllowed, where the account was disabled or erased, or has lost one of the permissions.

    Of an account that was not heard of the token is believed: it is an API client's, or so new that nothing was taken
    from it yet (docs/decisions/0013).
    """
    rows = await fetch(door, FIND, who.user_id)
    if not rows:
        return
    active, held, changed_at, erased = rows[0]
    if not erased and who.issued_at > (changed_at + IN_THE_MAKING).timestamp():
        return
    for permission in permissions:
        if erased or not active or permission not in held:
            raise NoLongerAllowed(permission=permission)


async def remember(door: Door, users: Sequence[UserChanged], times: Sequence[datetime]) -> None:
    """Keeps the newest of each account; `times`: when each was said, by the clock that tokens are made by."""
    await fetch(
        door,
        REMEMBER,
        [user.user_id for user in users],
        [user.version for user in users],
        list(times),
        [user.active for user in users],
        [" ".join(_permissions(user)) for user in users],
    )


async def forget(door: Door, users: Sequence[UserErased]) -> None:
    """The id stays, as the last word on it."""
    await fetch(door, FORGET, [user.user_id for user in users], [user.version for user in users])


async def erased_lately(door: Door) -> list[UUID]:
    """Whose data may still turn up: from a token that had not ended, or a parcel that had not left."""
    return [row[0] for row in await fetch(door, ERASED_LATELY)]


async def erased_a_day_ago(door: Door) -> list[tuple[UUID, int]]:
    """Who, and the version of their last word."""
    return [(row[0], row[1]) for row in await fetch(door, ERASED_A_DAY_AGO)]


def _permissions(user: UserChanged) -> Iterable[str]:
    """As the event says; one that was said before events told them has built-in roles alone."""
    return sorted(permissions_of(user.roles)) if user.permissions is None else user.permissions
