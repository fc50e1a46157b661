"""Who is signed in stays so when the database is migrated under them."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
from jose import jwt

from local_stack.postgres import administration
from service_kit.clock import utcnow
from service_kit.database import migrations
from tests.harness.databases import new_database
from tests.harness.service import serve
from user_service.sessions.models import hash_of
from user_service.tests.conftest import SETTINGS
from user_service.tests.people import Person

ACCOUNT = """
INSERT INTO accounts (id, email, full_name, password_hash, roles, email_verified, active, version, created_at)
VALUES (%s, %s, 'Ada', 'none', '{User}', true, true, 1, now())
"""
TOKEN = """
INSERT INTO refresh_tokens (token_hash, session_id, account_id, created_at, expires_at, used_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
WITH_FACTOR = """
INSERT INTO second_factors (account_id, confirmed_at, encrypted_secret, last_step, failures)
VALUES (%s, now(), '', 0, 0)
"""
DAY = timedelta(days=1)


async def test_sessions_of_all_earlier_kinds_go_on() -> None:
    """From before there were sessions (0003), and from before they told how they were opened (0005)."""
    url, (ada, eve) = new_database(), (uuid4(), uuid4())
    migrations.upgrade("user_service", url, to="0002")
    _sign_in_before_sessions(url, ada, "ada", eve, "eve")
    migrations.upgrade("user_service", url, to="0004")
    with administration(url) as cursor:
        cursor.execute(WITH_FACTOR, [str(eve)])
    migrations.upgrade("user_service", url)
    async with serve("user_service", database_url=url, **SETTINGS) as service:
        at_home = Person(service, "ada@example.com")
        for email, amr in (("ada", ["pwd"]), ("eve", ["pwd", "otp", "mfa"])):
            person = Person(service, f"{email}@example.com")
            answer = await person.refresh(f"{email} live")
            assert answer.status_code == 200, answer.text
            claims = jwt.get_unverified_claims(answer.json()["access_token"])
            assert claims["amr"] == amr
            assert 2 <= (claims["iat"] - claims["auth_time"]) / DAY.total_seconds() < 2.1, "since the first token"
            assert (await person.refresh(f"{email} expired")).status_code == 400
        assert (await at_home.refresh("ada used")).status_code == 400, "somebody has an old token: the session ends"
        assert await _sessions(url, ada) == await _sessions(url, eve) - 1


def _sign_in_before_sessions(url: str, *people: UUID | str) -> None:
    """Each with a chain of a used token and a live one, and another that has run out."""
    now = utcnow()
    with administration(url) as cursor:
        for id, name in zip(people[::2], people[1::2], strict=True):
            chain, gone = uuid4(), uuid4()
            cursor.execute(ACCOUNT, [str(id), f"{name}@example.com"])
            for token, session, created, ends, used in (
                (f"{name} used", chain, now - 2 * DAY, now + 28 * DAY, now - DAY),
                (f"{name} live", chain, now - DAY, now + 29 * DAY, None),
                (f"{name} expired", gone, now - 40 * DAY, now - 10 * DAY, None),
            ):
                cursor.execute(TOKEN, [hash_of(token), str(session), str(id), created, ends, used])


async def _sessions(url: str, account: UUID) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", account)
        return count
    finally:
        await connection.close()
