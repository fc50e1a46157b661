"""Accounts are recovered from their snapshots, and erased again."""

from contracts.events.users import UserChanged
from tests.harness.recovery import recover, restored_database, unpublished
from user_service.tests.conftest import ADA, Accounts

SHOWN = "SELECT id, email, full_name, locale, roles, email_verified, active FROM accounts ORDER BY id"


async def test_accounts_are_what_they_were_but_for_their_passwords(accounts: Accounts) -> None:
    await accounts.register()
    runtime = accounts.served.runtime
    async with restored_database("user_service") as restored:
        journal = await recover(runtime, restored)
        async with restored.connection() as ours, runtime.database.connection() as theirs:
            assert await ours.fetch(SHOWN) == await theirs.fetch(SHOWN)
            hash_of = "SELECT password_hash FROM accounts WHERE email = $1"
            assert await ours.fetchval(hash_of, ADA["email"]) != await theirs.fetchval(hash_of, ADA["email"])
        assert set(await unpublished(restored)) == {UserChanged.type}
    assert [what for what in journal.lists if "without a password" in what]


async def test_an_account_that_was_erased_since_is_erased_again(accounts: Accounts) -> None:
    await accounts.register()
    ada, _ = await accounts.session()
    async with restored_database("user_service") as restored:
        await recover(accounts.served.runtime, restored)
        assert (await ada.delete("/users/me")).is_success
        journal = await recover(accounts.served.runtime, restored)
        async with restored.connection() as connection:
            assert not await connection.fetchval("SELECT true FROM accounts WHERE id = $1", ada.user_id)
    assert journal.lists["accounts erased again"] == [str(ada.user_id)]
