"""The statements that find accounts use an index."""

import asyncpg

from tests.harness.plans import Statements, fill, sequential_scans
from user_service.mails.jobs import send_due
from user_service.tests.conftest import ADA, Accounts

EMAIL = "'somebody' || n || '@example.com'"


async def test_accounts_are_found_by_an_index(statements: Statements, accounts: Accounts) -> None:
    connection = await asyncpg.connect(accounts.served.database_url)
    await fill(connection, "accounts", columns={"email": EMAIL, "full_name": "'Somebody ' || md5(n::text)"})
    for table in ("known_addresses", "mail_tokens", "sessions", "refresh_tokens"):
        await fill(connection, table)
    await fill(connection, "mails", columns={"email": EMAIL, "next_attempt_at": "now() + interval '1 hour'"})
    statements.clear()

    await accounts.register()
    assert (await accounts.sign_in()).status_code == 200
    ada, _ = await accounts.session()
    await accounts.request_reset()
    change = {"new_email": "ada@example.org", "present_password": ADA["password"]}
    assert (await ada.post("/users/me/email", json=change)).status_code == 202
    await send_due(accounts.served.runtime)
    [code] = await accounts.codes("ada@example.org")
    assert (await ada.post("/users/me/email/confirm", json={"token": code})).status_code == 200
    assert len((await accounts.staff.get("/users", params={"q": "ADA@example"})).json()["items"]) == 1
    assert len(statements) > 20
    assert await sequential_scans(connection, statements) == {}

    await connection.execute("DROP INDEX ix_accounts_search")
    assert "accounts" in await sequential_scans(connection, statements), "the check sees a missing index"
    await connection.close()
