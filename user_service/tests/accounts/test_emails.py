"""An e-mail address belongs to one account, however and wherever it is typed."""

import unicodedata
from asyncio import gather
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service_kit.database.administration import administration
from tests.harness.databases import new_database
from tests.harness.service import Served, serve
from user_service.emails import EmailAddress
from user_service.tests.conftest import ADA, SETTINGS, Accounts, open_accounts

UNICODE = "zoë@bücher.example"
SPELLINGS = [
    UNICODE,
    f"  {UNICODE}\n",
    f"\u00a0\ufeff{UNICODE}\u200b",
    "ZOË@BÜCHER.EXAMPLE",
    "zoë@xn--bcher-kva.example",
    unicodedata.normalize("NFD", UNICODE),
    "zoë@bücher。example",
    "ｚｏë@bücher.example",
]
COLLIDES = """
INSERT INTO accounts (id, email, full_name, password_hash, roles, email_verified, active, version, created_at, collides)
VALUES (%s, %s, 'Ada', %s, '{User}', true, true, 1, now() + make_interval(secs => %s), true)
"""


@given(st.text(max_size=60) | st.emails() | st.tuples(st.text(), st.text()).map("@".join))
def test_normalising_is_idempotent(typed: str) -> None:
    address = EmailAddress.of(typed)
    assert EmailAddress.of(address.text) == address
    assert EmailAddress.of(f" {typed}\t").text == address.text


@given(st.emails())
def test_look_alike_addresses_have_the_same_key(typed: str) -> None:
    address = EmailAddress.of(typed)
    assert EmailAddress.of(address.key).key == address.key


@given(st.emails())
def test_registration_and_sign_in_normalise_addresses_alike(typed: str) -> None:
    try:
        accepted = TypeAdapter(EmailAddress).validate_python(typed)
    except ValidationError:
        return
    assert EmailAddress.of(typed).key == EmailAddress.of(accepted.text).key == accepted.key


@pytest.mark.parametrize("registered", SPELLINGS)
async def test_an_account_signs_in_with_any_spelling_of_its_address(accounts: Accounts, registered: str) -> None:
    ada = await accounts.register(email=registered)
    for typed in SPELLINGS:
        assert (await accounts.sign_in(username=typed)).status_code == 200, typed
        rejected = await accounts.served.anonymous.post("/users", json={**ADA, "email": typed})
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/email-taken"), typed
        found = (await accounts.staff.get("/users", params={"q": typed})).json()["items"]
        assert [item["id"] for item in found] == [str(ada.user_id)], typed


async def test_concurrent_registrations_with_spellings_of_one_address_create_one_account(accounts: Accounts) -> None:
    bodies = [{**ADA, "email": typed} for typed in SPELLINGS]
    answers = await gather(*(accounts.served.anonymous.post("/users", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (len(SPELLINGS) - 1)


async def test_a_reset_goes_to_the_address_as_it_is_stored(accounts: Accounts) -> None:
    """`ﬁ` has the key of `fi`, but is another mailbox, which may be somebody else's: the mail must not go there."""
    await accounts.register(email="fish@example.com")
    assert (await accounts.request_reset("ﬁsh@example.com")).status_code == 202
    assert await accounts.mails("ﬁsh@example.com") == []
    assert len(await accounts.mails("fish@example.com")) == 2


async def test_rate_limits_count_all_spellings_as_one_account() -> None:
    async with open_accounts(
        limits=True, unknown_device_attempts=4, address_attempts=1000, mails_to_account=4
    ) as accounts:
        answers = [await accounts.sign_in(username=typed, password="not the one") for typed in SPELLINGS[:3]]
        assert [answer.status_code for answer in answers] == [400, 400, 429]
        answers = [await accounts.request_reset(typed) for typed in SPELLINGS[-3:]]
        assert [answer.status_code for answer in answers] == [202, 202, 429]


async def test_a_device_stays_known_in_any_spelling() -> None:
    async with open_accounts(limits=True, unknown_device_attempts=2, address_attempts=1000) as accounts:
        await accounts.register(email=UNICODE)
        known, strange = accounts.at("192.0.2.1"), accounts.at("192.0.2.2")
        assert (await accounts.sign_in(known, username=SPELLINGS[4])).status_code == 200
        for _ in range(3):
            await accounts.sign_in(strange, username=UNICODE, password="not the one")
        moved = accounts.at("192.0.2.3")
        moved.cookies = known.cookies
        assert (await accounts.sign_in(moved, username=SPELLINGS[5])).status_code == 200


COLLIDING = ("fish@example.com", "ﬁsh@example.com", "ada@bücher.example", " ada@xn--bcher-kva.example")


async def database_of_before() -> tuple[str, dict[str, UUID]]:
    """With accounts of a version that took each spelling for an address of its own."""
    url, ids = new_database("user_service"), {email: uuid4() for email in COLLIDING}
    async with open_accounts() as elsewhere:
        await elsewhere.register()
        [[hashed]] = await elsewhere.sql("SELECT password_hash FROM accounts")
    with administration(url) as cursor:
        for number, (email, id) in enumerate(ids.items()):
            cursor.execute(COLLIDES, [str(id), email, hashed, number])
    return url, ids


async def signed_in(service: Served, typed: str) -> UUID | None:
    form = {"grant_type": "password", "username": typed, "password": ADA["password"]}
    if (await service.anonymous.post("/auth/token", data=form)).status_code != 200:
        return None
    async with service.runtime.database.connection() as connection:
        owner: UUID = await connection.fetchval("SELECT account_id FROM sessions ORDER BY created_at DESC LIMIT 1")
    return owner


async def listed(service: Served) -> set[UUID]:
    answer = await service.caller(role="Admin").get("/users", params={"colliding": True})
    return {UUID(item["id"]) for item in answer.json()["items"]}


async def test_accounts_that_collide_stay_and_are_listed() -> None:
    url, ids = await database_of_before()
    async with serve("user_service", database_url=url, **SETTINGS) as service:
        for email, id in ids.items():
            assert await signed_in(service, email) == id, email
        assert await signed_in(service, "ＦＩＳＨ@example.com") == ids["fish@example.com"], "the oldest"
        assert await listed(service) == {ids[email] for email in COLLIDING}
        for email in ids:
            answer = await service.anonymous.post("/users", json={**ADA, "email": email.strip()})
            assert answer.status_code == 409, email


async def test_the_last_account_with_a_colliding_address_gets_it_in_normal_form() -> None:
    url, ids = await database_of_before()
    async with serve("user_service", database_url=url, **SETTINGS) as service:
        fish = service.caller(role="User", user_id=ids["fish@example.com"])
        assert (await fish.delete("/users/me")).status_code == 204
        assert await signed_in(service, "FISH@example.com") == ids["ﬁsh@example.com"]
        assert await listed(service) == {ids[email] for email in COLLIDING[2:]}
        ada = service.caller(role="User", user_id=ids["ada@bücher.example"])
        assert (await ada.delete("/users/me")).status_code == 204
        assert await signed_in(service, "ada@bücher.example") == ids[COLLIDING[3]], "in its usual form now"
        assert await listed(service) == set()


async def test_the_database_rejects_a_second_spelling(accounts: Accounts) -> None:
    """The unique index rejects it, even if a use case does not check."""
    await accounts.register(email="fish@example.com")
    await accounts.register(email="other@example.com")
    with pytest.raises(asyncpg.UniqueViolationError):
        await accounts.sql("UPDATE accounts SET email = 'ﬁsh@example.com' WHERE email = 'other@example.com'")
