"""The statements that find accounts use an index."""

import asyncpg

from tests.harness.plans import Statements, fill, sequential_scans
from user_service.customer_groups.jobs import forget_deleted
from user_service.guests.jobs import delete_unused
from user_service.mails.jobs import send_due
from user_service.tests.conftest import ADA, Accounts
from user_service.tests.guests.test_guests import become_guest, links

EMAIL = "'somebody' || n || '@example.com'"


async def _guests_and_groups(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    await accounts.served.anonymous.post("/auth/guest/link", json={"email": "gina@example.com"})
    assert len(await links(accounts)) == 2
    await delete_unused(accounts.served.runtime)
    group = (await accounts.staff.post("/customer-groups", json={"name": "Trade"})).json()["id"]
    assert (await accounts.staff.put(f"/customer-groups/{group}/members/{guest.user_id}")).is_success
    assert len((await accounts.staff.get(f"/customer-groups/{group}/members")).json()["items"]) == 1
    assert (await accounts.staff.delete(f"/customer-groups/{group}")).is_success
    assert await forget_deleted(accounts.served.runtime)


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
    await _guests_and_groups(accounts)
    assert len(statements) > 40
    assert await sequential_scans(connection, statements) == {}

    await connection.execute("DROP INDEX ix_accounts_search")
    assert "accounts" in await sequential_scans(connection, statements), "the check sees a missing index"
    await connection.close()
