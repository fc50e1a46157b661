"""Proving that an e-mail address is one's own."""

from asyncio import gather

import httpx

from contracts.events import users
from user_service.mails.jobs import send_due
from user_service.tests.conftest import ADA, People, code_of, open_people


async def verify(people: People, token: str) -> httpx.Response:
    return await people.served.anonymous.post("/auth/verify-email", json={"token": token})


async def every_text(people: People) -> str:
    """What stands in the database, of whatever table."""
    tables = await people.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 10
    rows = [await people.sql(f'SELECT row_to_json(t)::text FROM "{name}" AS t') for [name] in tables]
    return "\n".join(row[0] for found in rows for row in found)


async def test_registering_mails_a_code_that_verifies_the_address_once(people: People) -> None:
    ada = await people.register()
    [mail] = await people.mails()
    code = code_of(mail)
    assert mail["Subject"] == "Confirm your e-mail address"
    assert f"https://mart.test/verify-email#token={code}" in mail.get_content()
    assert ADA["full_name"] not in str(mail), "who registers must not speak to strangers through us"

    assert (await verify(people, code)).status_code == 204
    assert (await ada.get("/users/me")).json()["email_verified"] is True
    event = (await people.served.events(users.UserChanged))[-1]
    assert (event.email_verified, event.version) == (True, 2)
    again = await verify(people, code)
    assert (again.status_code, again.json()["type"]) == (400, "/problems/mail-token-not-good")


async def test_the_code_stands_in_the_mail_alone(people: People) -> None:
    await people.register()
    assert len(await people.sql("SELECT 1 FROM mails")) == 1
    [code] = await people.codes()
    written = await every_text(people)
    assert ADA["email"] in written
    assert code not in written
    assert await people.sql("SELECT 1 FROM mails") == []


async def test_a_code_is_good_for_a_day(people: People) -> None:
    await people.register()
    [code] = await people.codes()
    [[hours]] = await people.sql("SELECT extract(epoch FROM expires_at - now()) / 3600 FROM mail_tokens")
    assert 23.9 < hours <= 24
    await people.sql("UPDATE mail_tokens SET expires_at = now()")
    assert (await verify(people, code)).status_code == 400


async def test_of_many_uses_at_once_one_succeeds(people: People) -> None:
    await people.register()
    [code] = await people.codes()
    answers = await gather(*(verify(people, code) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 7


async def test_the_mail_can_be_asked_for_again_until_the_address_is_verified(people: People) -> None:
    ada = await people.register()
    assert (await ada.post("/auth/verify-email/request")).status_code == 202
    first, second = await people.codes()
    assert first != second
    assert (await verify(people, first)).status_code == 204
    assert (await verify(people, second)).status_code == 400
    refused = await ada.post("/auth/verify-email/request")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/already-verified")
    assert (await people.served.anonymous.post("/auth/verify-email/request")).status_code == 401


async def test_mails_that_are_asked_for_are_limited() -> None:
    async with open_people(limits=True, mails_to_account=4) as people:
        ada = await people.register()
        answers = [await ada.post("/auth/verify-email/request") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 1800
        assert answers[-1].headers["RateLimit-Policy"] == '"mails";q=4;w=3600'
        # The same mailbox is meant, whatever the mail is for.
        assert (await people.ask_for_reset()).status_code == 429


async def test_whom_staff_made_is_verified_and_gets_no_mail(people: People) -> None:
    assert (await people.staff.post("/users", json=ADA)).status_code == 201
    assert await people.mails() == []


async def test_who_was_erased_gets_no_mail(people: People) -> None:
    ada = await people.register()
    assert (await ada.delete("/users/me")).status_code == 204
    assert await people.sql("SELECT 1 FROM mails") == []
    assert await people.mails() == []


async def test_a_mail_waits_for_the_mail_server(people: People) -> None:
    await people.office.close()
    await people.register()
    assert await people.mails() == []
    [[attempts]] = await people.sql("SELECT attempts FROM mails")
    assert attempts == 0, "that the server is away is no fault of the mail"
    assert await people.sql("SELECT 1 FROM mail_tokens") == [], "nobody has got it"
    await people.office.open()
    await people.sql("UPDATE mails SET next_attempt_at = now()")
    assert len(await people.codes()) == 1


async def test_a_mail_that_is_refused_for_good_is_not_tried_again(people: People) -> None:
    people.office.answer = lambda _: "550 No such user"
    await people.register()
    await send_due(people.served.runtime)
    assert await people.sql("SELECT 1 FROM mails") == []


async def test_a_mail_that_is_refused_for_now_is_tried_again_later(people: People) -> None:
    people.office.answer = lambda _: "451 Try later"
    await people.register()
    await send_due(people.served.runtime)
    [[attempts, wait]] = await people.sql("SELECT attempts, next_attempt_at - now() AS wait FROM mails")
    assert (attempts, 20 < wait.total_seconds() <= 36) == (1, True)
    await people.sql("UPDATE mails SET attempts = 9, next_attempt_at = now()")
    await send_due(people.served.runtime)
    assert await people.sql("SELECT 1 FROM mails") == []


async def test_after_a_crash_the_mail_comes_again_and_both_codes_are_good(people: People) -> None:
    """The mail was sent, and the process died before it could say so."""
    await people.register()
    rows = await people.sql("SELECT * FROM mails")
    [first] = await people.codes()
    await people.sql(
        "INSERT INTO mails (id, purpose, email, attempts, next_attempt_at, created_at) "
        "VALUES ($1, $2, $3, 1, now(), now())",
        rows[0]["id"], rows[0]["purpose"], rows[0]["email"],
    )  # fmt: skip
    codes = await people.codes()
    assert len(codes) == 2
    assert len({mail["Message-ID"] for mail in people.office.mails}) == 1, "one message to a server that knows it"
    assert (await verify(people, first)).status_code == 204


async def test_two_senders_send_each_mail_once(people: People) -> None:
    await gather(*(people.register(email=f"customer{number}@example.com") for number in range(12)))
    await gather(*(send_due(people.served.runtime) for _ in range(4)))
    assert sorted(mail["To"] for mail in people.office.mails) == sorted(
        f"customer{number}@example.com" for number in range(12)
    )


async def test_without_a_website_the_mail_has_the_code_alone() -> None:
    async with open_people(web_url="") as people:
        await people.register()
        [mail] = await people.mails()
        assert code_of(mail)
        assert "http" not in mail.get_content()
