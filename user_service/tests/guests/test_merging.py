"""A guest becomes part of a registered account."""

from asyncio import gather

from contracts.events.users import UserChanged, UserErased, UserMerged
from tests.harness.recovery import recover, restored_database
from tests.harness.service import Caller
from user_service.personal_data import republish_erasures
from user_service.tests.conftest import ADA, Accounts
from user_service.tests.guests.test_guests import become_guest, claim, links

ADDRESS = {"name": "Gina", "line1": "1 Street", "city": "London", "country": "GB"}


async def verified(accounts: Accounts, email: str = ADA["email"]) -> Caller:
    ada = await accounts.register(email=email)
    await accounts.sql("UPDATE accounts SET email_verified = true WHERE id = $1", ada.user_id)
    return ada


async def test_the_owner_of_the_address_gets_what_the_guest_had(accounts: Accounts) -> None:
    ada, guest = await verified(accounts), await become_guest(accounts, ADA["email"])
    assert (await guest.post("/users/me/addresses", json=ADDRESS)).status_code == 201
    [code] = await links(accounts, ADA["email"])
    assert (await claim(accounts, code, password=ADA["password"])).json()["type"] == "/problems/account-exists"
    assert (await ada.post("/me/guest-orders", json={"token": code})).status_code == 204
    [merged] = await accounts.served.events(UserMerged)
    versions = [e.version for e in await accounts.served.events(UserChanged) if e.user_id == guest.user_id]
    assert (merged.user_id, merged.into, merged.version) == (guest.user_id, ada.user_id, max(versions) + 1)
    assert await accounts.served.events(UserErased) == []
    assert [each["name"] for each in (await ada.get("/users/me/addresses")).json()["items"]] == ["Gina"]
    assert (await accounts.staff.get(f"/users/{guest.user_id}")).status_code == 404
    assert not await accounts.stays(guest.refresh_token)
    assert (await guest.get("/users/me")).status_code == 403, "its access token is rejected"
    assert (await ada.post("/me/guest-orders", json={"token": code})).status_code == 400, "valid once"
    [entry] = await accounts.audited(action="guest.merged")
    assert (entry["actor_id"], entry["subject_id"], entry["facts"]["into"]) == (
        str(ada.user_id), str(guest.user_id), str(ada.user_id),
    )  # fmt: skip


async def test_only_an_account_whose_confirmed_address_it_is_gets_a_guest(accounts: Accounts) -> None:
    """A mailed code that a stranger has seen is of no use without an account that has the address."""
    await become_guest(accounts)
    [code] = await links(accounts)
    ada, bob = await verified(accounts), await accounts.register(email="gina@example.com")
    other_guest = await become_guest(accounts, None)
    types = [
        (await each.post("/me/guest-orders", json={"token": code})).json()["type"] for each in (ada, bob, other_guest)
    ]
    assert types == ["/problems/other-address", "/problems/email-not-verified", "/problems/guest-account"]
    made_up = await ada.post("/me/guest-orders", json={"token": "x" * 43})
    assert (made_up.status_code, made_up.json()["type"]) == (400, "/problems/mail-token-not-good")
    assert await accounts.served.events(UserMerged) == []
    assert (await claim(accounts, code)).status_code == 200, "the rejected requests have not used it up"


async def test_a_guest_is_merged_once_or_registered(accounts: Accounts) -> None:
    ada = await verified(accounts)
    await become_guest(accounts, ADA["email"])
    [code] = await links(accounts, ADA["email"])
    answers = await gather(
        *(ada.post("/me/guest-orders", json={"token": code}) for _ in range(4)), claim(accounts, code)
    )
    assert sum(answer.is_success for answer in answers) == 1
    assert {answer.status_code for answer in answers if not answer.is_success} == {400}


async def test_the_merge_is_published_again_and_never_an_erasure(accounts: Accounts) -> None:
    ada, guest = await verified(accounts), await become_guest(accounts, ADA["email"])
    [code] = await links(accounts, ADA["email"])
    await ada.post("/me/guest-orders", json={"token": code})
    await accounts.sql("UPDATE account_status SET changed_at = now() - interval '30 hours'")
    await republish_erasures(accounts.served.runtime)
    merged = await accounts.served.events(UserMerged)
    assert [(each.user_id, each.into) for each in merged] == [(guest.user_id, ada.user_id)] * 2
    assert await accounts.served.events(UserErased) == []


async def test_guests_and_merges_are_recovered(accounts: Accounts) -> None:
    ada = await verified(accounts)
    guest, stays = await become_guest(accounts, ADA["email"]), await become_guest(accounts)
    async with restored_database("user_service") as restored:
        await recover(accounts.served.runtime, restored)
        async with restored.connection() as connection:
            found = await connection.fetch("SELECT id, email, guest_email FROM accounts WHERE roles = '{Guest}'")
        assert {tuple(row) for row in found} == {
            (guest.user_id, str(guest.user_id), ADA["email"]), (stays.user_id, str(stays.user_id), "gina@example.com"),
        }  # fmt: skip
        [code] = await links(accounts, ADA["email"])
        assert (await ada.post("/me/guest-orders", json={"token": code})).status_code == 204
        journal = await recover(accounts.served.runtime, restored)
        async with restored.connection() as connection:
            left = await connection.fetch("SELECT id FROM accounts WHERE roles = '{Guest}'")
            into = await connection.fetchval("SELECT merged_into FROM account_status WHERE erased")
    assert [row["id"] for row in left] == [stays.user_id]
    assert into == ada.user_id
    assert journal.lists["guests merged again"] == [str(guest.user_id)]
