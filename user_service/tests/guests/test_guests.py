"""Guests: tokens without an account, an address for mails, links, and what guests can't do."""

from asyncio import gather
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from jose import jwt
from sqlalchemy import event
from sqlalchemy.engine import Engine

from contracts.events.users import SessionEnded, UserChanged, UserErased
from tests.harness.service import Caller
from user_service.guests import jobs
from user_service.tests.conftest import ADA, AGENT, Accounts, code_of, open_accounts

GINA = "gina@example.com"
LINK = "Your orders without an account"


class Guest(Caller):
    """A guest that calls with the tokens which it got."""

    def __init__(self, accounts: Accounts, tokens: dict[str, Any]) -> None:
        self.claims = jwt.get_unverified_claims(tokens["access_token"])
        self.refresh_token = tokens["refresh_token"]
        headers = {"Authorization": f"Bearer {tokens['access_token']}", "User-Agent": AGENT}
        transport = httpx.ASGITransport(app=accounts.served.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://service.test", headers=headers)
        super().__init__(UUID(self.claims["sub"]), client)


async def become_guest(accounts: Accounts, email: str | None = GINA) -> Guest:
    answer = await accounts.served.anonymous.post("/auth/guest", json={"email": email} if email else {})
    assert answer.status_code == 200, answer.text
    await accounts.served.runtime.keys.refresh()
    return Guest(accounts, answer.json())


async def links(accounts: Accounts, email: str = GINA) -> list[str]:
    """The codes of all links that were mailed to the address, the oldest first."""
    await accounts.mails(email)
    return [code_of(mail) for mail in await accounts.mails(email) if mail["Subject"] == LINK]


async def claim(accounts: Accounts, token: str, **more: str) -> httpx.Response:
    return await accounts.served.anonymous.post("/auth/guest/claim", json={"token": token, **more})


async def opened(accounts: Accounts, token: str, **more: str) -> Guest:
    answer = await claim(accounts, token, **more)
    assert answer.status_code == 200, answer.text
    return Guest(accounts, answer.json())


async def snapshots(accounts: Accounts, id: UUID) -> list[UserChanged]:
    return [event for event in await accounts.served.events(UserChanged) if event.user_id == id]


@pytest.fixture
async def limited() -> AsyncIterator[Accounts]:
    async with open_accounts(limits=True, requests_of_address=4, mails_to_account=2) as accounts:
        yield accounts


async def test_a_guest_has_the_permissions_of_a_user_and_no_published_account(accounts: Accounts) -> None:
    guest = await become_guest(accounts, None)
    user = await accounts.register()
    assert (await guest.get("/users/me")).json()["email"] is None
    assert guest.claims["roles"] == ["Guest"]
    assert guest.claims["amr"] == []
    assert set(guest.claims["permissions"]) == set(
        jwt.get_unverified_claims((await accounts.sign_in()).json()["access_token"])["permissions"]
    )
    assert await snapshots(accounts, guest.user_id) == []
    assert (await guest.get("/users/me/addresses")).status_code == 200
    assert user.user_id != guest.user_id


async def test_a_body_is_not_needed(accounts: Accounts) -> None:
    assert (await accounts.served.anonymous.post("/auth/guest")).status_code == 200


async def test_a_guests_tokens_are_renewed_and_end_like_others(accounts: Accounts) -> None:
    guest = await become_guest(accounts, None)
    assert await accounts.stays(guest.refresh_token)
    assert (
        await accounts.served.anonymous.post("/auth/logout", data={"refresh_token": guest.refresh_token})
    ).is_success
    assert not await accounts.stays(guest.refresh_token)
    [ended] = await accounts.served.events(SessionEnded)
    assert ended.user_id == guest.user_id, "other services reject the access token too, without a snapshot"
    assert (await guest.get("/users/me")).status_code == 401


async def test_an_address_is_published_with_a_link_and_never_reserved(accounts: Accounts) -> None:
    guests = [await become_guest(accounts) for _ in range(2)]
    registered = await accounts.register(email=GINA)
    assert (await accounts.sign_in(username=GINA)).status_code == 200, "guests are in nobody's way"
    third = await become_guest(accounts)
    ids = [guest.user_id for guest in (*guests, third)]
    assert registered.user_id not in ids
    for id in ids:
        [event] = await snapshots(accounts, id)
        assert (event.email, event.roles, event.email_verified, event.full_name) == (GINA, ["Guest"], False, "")
    assert len(set(await links(accounts))) == 3
    assert (await guests[0].get("/users/me")).json()["email"] == GINA


async def test_a_guest_gives_its_address_later_and_changes_it(accounts: Accounts) -> None:
    guest = await become_guest(accounts, None)
    for _ in range(2):
        assert (await guest.put("/me/guest-email", json={"email": GINA})).status_code == 204
    [first] = await links(accounts)
    assert (await guest.put("/me/guest-email", json={"email": "g@example.org"})).status_code == 204
    assert [event.email for event in await snapshots(accounts, guest.user_id)] == [GINA, "g@example.org"]
    assert (await claim(accounts, first)).json()["type"] == "/problems/mail-token-not-good"
    [second] = await links(accounts, "g@example.org")
    assert (await opened(accounts, second)).user_id == guest.user_id


async def test_a_registered_account_is_no_guest(accounts: Accounts) -> None:
    ada = await accounts.register()
    rejected = await ada.put("/me/guest-email", json={"email": GINA})
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/not-a-guest")


async def test_what_needs_a_password_is_refused_with_the_way_to_get_one(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    change = {"present_password": ADA["password"], "new_password": "staple orbit lantern"}
    answers = [
        await guest.put("/users/me/password", json=change),
        await guest.post("/users/me/email", json={"new_email": "g@example.org", "present_password": "x"}),
        await guest.post("/auth/mfa/totp", json={"password": "x"}),
        await guest.post("/auth/verify-email/request"),
        await accounts.staff.patch(f"/users/{guest.user_id}", json={"roles": ["Admin"]}),
    ]
    assert [(answer.status_code, answer.json()["type"]) for answer in answers] == [(409, "/problems/guest-account")] * 5
    assert (await guest.post("/auth/mfa/totp/confirm", json={"code": "123456"})).status_code == 409


async def test_a_guest_has_no_password_to_guess_or_to_reset(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    for name in (GINA, str(guest.user_id)):
        assert (await accounts.sign_in(username=name)).status_code == 400
        assert (await accounts.sign_in(username=name, password=" ")).status_code == 400
    assert (await accounts.request_reset(GINA)).status_code == 202
    assert [mail["Subject"] for mail in await accounts.mails(GINA)] == [LINK], "no mail to reset a password"


async def test_the_role_guest_cannot_be_assigned(accounts: Accounts) -> None:
    ada = await accounts.register()
    assert (await accounts.staff.patch(f"/users/{ada.user_id}", json={"roles": ["Guest"]})).status_code == 422
    made = await accounts.staff.post("/users", json={**ADA, "email": "b@example.com", "roles": ["Guest"]})
    assert made.status_code == 422


async def test_a_guest_owns_no_api_client(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    body = {"name": "robots", "permissions": ["stock:read"], "owner_id": str(guest.user_id)}
    answer = await accounts.staff.post("/api-clients", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/owner-not-active")


async def test_staff_find_guests_by_role_and_address(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    for params in ({"role": "Guest"}, {"q": "Gina@Example.com"}):
        [found] = (await accounts.staff.get("/users", params=params)).json()["items"]
        assert (found["id"], found["email"]) == (str(guest.user_id), GINA)


async def test_guests_are_limited_like_registrations(limited: Accounts) -> None:
    here, there = limited.at("192.0.2.1"), limited.at("192.0.2.2")
    answers = [await here.post("/auth/guest", json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["type"] == "/problems/too-many-requests"
    mailed = [
        await client.post("/auth/guest/link", json={"email": GINA}) for client in (there, limited.at("192.0.2.3"))
    ]
    assert [answer.status_code for answer in mailed] == [202, 429], "an address gets few mails, whoever asks"


async def test_links_are_mailed_for_each_guest_and_for_nobody_else(accounts: Accounts) -> None:
    await accounts.register(email=GINA)
    unknown = await accounts.served.anonymous.post("/auth/guest/link", json={"email": "nobody@example.com"})
    guests = [await become_guest(accounts) for _ in range(2)]
    first = await links(accounts)
    known = await accounts.served.anonymous.post("/auth/guest/link", json={"email": " GINA@example.com"})
    assert [(each.status_code, each.content) for each in (known, unknown)] == [(202, unknown.content)] * 2
    new = [code for code in await links(accounts) if code not in first]
    assert {(await opened(accounts, code)).user_id for code in new} == {guest.user_id for guest in guests}
    assert await accounts.mails("nobody@example.com") == []


async def test_a_request_for_links_runs_the_same_statements_whether_or_not_there_are_guests(accounts: Accounts) -> None:
    await become_guest(accounts)
    ran: dict[str, list[str]] = {GINA: [], "nobody@example.com": []}
    for email, statements in ran.items():
        listen = partial(_keep, statements)
        event.listen(Engine, "before_cursor_execute", listen)
        try:
            await accounts.served.anonymous.post("/auth/guest/link", json={"email": email})
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
    assert ran[GINA] == ran["nobody@example.com"] != []


def _keep(statements: list[str], _: Any, __: Any, statement: str, *___: Any) -> None:
    statements.append(statement)


async def test_a_link_is_valid_once_even_in_parallel_and_ends_other_sessions(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    [code] = await links(accounts)
    answers = await gather(*(claim(accounts, code) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    [tokens] = [answer.json() for answer in answers if answer.status_code == 200]
    there = Guest(accounts, tokens)
    assert there.user_id == guest.user_id
    assert (await there.get("/users/me")).json()["email_verified"] is True
    assert not await accounts.stays(guest.refresh_token), "whoever began it need not own the address"
    assert (await guest.get("/users/me")).status_code == 401
    assert (await snapshots(accounts, guest.user_id))[-1].email_verified


async def test_a_link_expires(accounts: Accounts) -> None:
    await become_guest(accounts)
    [code] = await links(accounts)
    await accounts.sql("UPDATE mail_tokens SET expires_at = now() - interval '1 second'")
    assert (await claim(accounts, code)).status_code == 400


async def test_a_password_makes_the_same_account_a_registered_one(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    [code] = await links(accounts)
    registered = await opened(accounts, code, password=ADA["password"])
    assert registered.user_id == guest.user_id
    assert (registered.claims["roles"], registered.claims["amr"]) == (["User"], ["pwd"])
    me = (await registered.get("/users/me")).json()
    assert (me["email"], me["email_verified"], me["roles"]) == (GINA, True, ["User"])
    assert (await accounts.sign_in(username=GINA)).status_code == 200
    assert not await accounts.stays(guest.refresh_token)
    assert (await snapshots(accounts, guest.user_id))[-1].roles == ["User"]
    taken = await accounts.served.anonymous.post("/users", json={**ADA, "email": GINA})
    assert taken.json()["type"] == "/problems/email-taken"


async def test_a_weak_password_leaves_the_link_valid(accounts: Accounts) -> None:
    await become_guest(accounts)
    [code] = await links(accounts)
    weak = await claim(accounts, code, password=GINA.partition("@")[0] * 2)
    assert (weak.status_code, weak.json()["type"]) == (422, "/problems/password-too-weak")
    assert (await claim(accounts, code, password=ADA["password"])).status_code == 200


async def test_two_guests_with_one_address_cannot_both_register(accounts: Accounts) -> None:
    for _ in range(2):
        await become_guest(accounts)
    codes = await links(accounts)
    answers = await gather(*(claim(accounts, code, password=ADA["password"]) for code in codes))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [rejected] = [answer for answer in answers if answer.status_code == 409]
    assert rejected.json()["type"] == "/problems/account-exists"


async def test_a_disabled_guest_is_not_opened(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    [code] = await links(accounts)
    assert (await accounts.staff.patch(f"/users/{guest.user_id}", json={"active": False})).is_success
    assert (await claim(accounts, code)).status_code == 400
    assert (await claim(accounts, code, password=ADA["password"])).status_code == 400


async def test_unused_guests_without_an_address_are_erased(accounts: Accounts) -> None:
    old, used, addressed, young = [
        await become_guest(accounts, email) for email in (None, None, GINA, None)
    ]  # fmt: skip
    past = "now() - interval '31 days'"
    ids = [guest.user_id for guest in (old, used, addressed)]
    await accounts.sql(f"UPDATE accounts SET created_at = {past} WHERE id = ANY($1)", ids)
    await accounts.sql(f"UPDATE sessions SET last_used_at = {past} WHERE account_id = ANY($1)", [ids[0], ids[2]])
    await jobs.delete_unused(accounts.served.runtime)
    left = {row["id"] for row in await accounts.sql("SELECT id FROM accounts WHERE roles = '{Guest}'")}
    assert left == {used.user_id, addressed.user_id, young.user_id}
    [erased] = await accounts.served.events(UserErased)
    assert erased.user_id == old.user_id
    assert not await accounts.stays(old.refresh_token)


async def test_a_guest_erases_its_account_and_not_mails_to_others_with_its_address(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    await become_guest(accounts)
    assert (await guest.delete("/users/me")).status_code == 204
    assert len(await links(accounts)) == 1
    [erased] = await accounts.served.events(UserErased)
    assert erased.user_id == guest.user_id


async def test_what_guests_do_is_in_the_audit_log(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    [code] = await links(accounts)
    await opened(accounts, code, password=ADA["password"])
    actions = [entry["action"] for entry in await accounts.audited(subject_id=str(guest.user_id))]
    assert actions == ["guest.registered", "guest.created"]
    assert GINA not in str(await accounts.audited())


async def test_guests_are_exported(accounts: Accounts) -> None:
    guest = await become_guest(accounts)
    exported = (await guest.get("/me/export")).json()
    assert exported["account"][0]["guest_email"] == GINA
    assert exported["mails_to_send"][0]["email"] == GINA
