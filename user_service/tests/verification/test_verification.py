"""The confirmation of an e-mail address."""

from asyncio import gather

import httpx

from contracts.events import users
from user_service.mails.jobs import send_due
from user_service.tests.conftest import ADA, Accounts, code_of, open_accounts


async def verify(accounts: Accounts, token: str) -> httpx.Response:
    return await accounts.served.anonymous.post("/auth/verify-email", json={"token": token})


async def every_text(accounts: Accounts) -> str:
    """The rows of all tables, as text."""
    tables = await accounts.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 10
    rows = [await accounts.sql(f'SELECT row_to_json(t)::text FROM "{name}" AS t') for [name] in tables]
    return "\n".join(row[0] for found in rows for row in found)


async def test_registration_mails_a_code_that_confirms_the_address_once(accounts: Accounts) -> None:
    ada = await accounts.register()
    [mail] = await accounts.mails()
    code = code_of(mail)
    assert mail["Subject"] == "Confirm your e-mail address"
    assert f"https://mart.test/verify-email#token={code}" in mail.get_content()
    assert ADA["full_name"] not in str(mail), "who registers must not speak to strangers through us"

    assert (await verify(accounts, code)).status_code == 204
    assert (await ada.get("/users/me")).json()["email_verified"] is True
    event = (await accounts.served.events(users.UserChanged))[-1]
    assert (event.email_verified, event.version) == (True, 2)
    again = await verify(accounts, code)
    assert (again.status_code, again.json()["type"]) == (400, "/problems/mail-token-not-good")


async def test_the_code_is_only_in_the_mail(accounts: Accounts) -> None:
    await accounts.register()
    assert len(await accounts.sql("SELECT 1 FROM mails")) == 1
    [code] = await accounts.codes()
    written = await every_text(accounts)
    assert ADA["email"] in written
    assert code not in written
    assert await accounts.sql("SELECT 1 FROM mails") == []


async def test_a_code_is_valid_for_a_day(accounts: Accounts) -> None:
    await accounts.register()
    [code] = await accounts.codes()
    [[hours]] = await accounts.sql("SELECT extract(epoch FROM expires_at - now()) / 3600 FROM mail_tokens")
    assert 23.9 < hours <= 24
    await accounts.sql("UPDATE mail_tokens SET expires_at = now()")
    assert (await verify(accounts, code)).status_code == 400


async def test_of_concurrent_uses_of_a_code_one_succeeds(accounts: Accounts) -> None:
    await accounts.register()
    [code] = await accounts.codes()
    answers = await gather(*(verify(accounts, code) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 7


async def test_the_mail_can_be_requested_again_until_the_address_is_confirmed(accounts: Accounts) -> None:
    ada = await accounts.register()
    assert (await ada.post("/auth/verify-email/request")).status_code == 202
    first, second = await accounts.codes()
    assert first != second
    assert (await verify(accounts, first)).status_code == 204
    assert (await verify(accounts, second)).status_code == 400
    rejected = await ada.post("/auth/verify-email/request")
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/already-verified")
    assert (await accounts.served.anonymous.post("/auth/verify-email/request")).status_code == 401


async def test_requested_mails_are_rate_limited() -> None:
    async with open_accounts(limits=True, mails_to_account=4) as accounts:
        ada = await accounts.register()
        answers = [await ada.post("/auth/verify-email/request") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 1800
        assert answers[-1].headers["RateLimit-Policy"] == '"mails";q=4;w=3600'
        # The same mailbox is meant, whatever the mail is for.
        assert (await accounts.request_reset()).status_code == 429


async def test_an_account_created_by_staff_is_verified_and_gets_no_mail(accounts: Accounts) -> None:
    assert (await accounts.staff.post("/users", json=ADA)).status_code == 201
    assert await accounts.mails() == []


async def test_an_erased_account_gets_no_verification_mail(accounts: Accounts) -> None:
    ada = await accounts.register()
    assert (await ada.delete("/users/me")).status_code == 204
    assert await accounts.sql("SELECT 1 FROM mails") == []
    assert await accounts.mails() == []


async def test_a_mail_waits_for_the_mail_server(accounts: Accounts) -> None:
    await accounts.office.close()
    await accounts.register()
    assert await accounts.mails() == []
    [[attempts]] = await accounts.sql("SELECT attempts FROM mails")
    assert attempts == 0, "that the server is away is no fault of the mail"
    assert await accounts.sql("SELECT 1 FROM mail_tokens") == [], "nobody has got it"
    await accounts.office.open()
    await accounts.sql("UPDATE mails SET next_attempt_at = now()")
    assert len(await accounts.codes()) == 1


async def test_a_permanently_rejected_mail_is_not_retried(accounts: Accounts) -> None:
    accounts.office.answer = lambda _: "550 No such user"
    await accounts.register()
    await send_due(accounts.served.runtime)
    assert await accounts.sql("SELECT 1 FROM mails") == []


async def test_a_temporarily_rejected_mail_is_retried(accounts: Accounts) -> None:
    accounts.office.answer = lambda _: "451 Try later"
    await accounts.register()
    await send_due(accounts.served.runtime)
    [[attempts, wait]] = await accounts.sql("SELECT attempts, next_attempt_at - now() AS wait FROM mails")
    assert (attempts, 20 < wait.total_seconds() <= 36) == (1, True)
    await accounts.sql("UPDATE mails SET attempts = 9, next_attempt_at = now()")
    await send_due(accounts.served.runtime)
    assert await accounts.sql("SELECT 1 FROM mails") == []


async def test_after_a_crash_the_mail_is_sent_again_and_both_codes_are_valid(accounts: Accounts) -> None:
    """The mail was sent, and the process died before it deleted the row."""
    await accounts.register()
    rows = await accounts.sql("SELECT * FROM mails")
    [first] = await accounts.codes()
    await accounts.sql(
        "INSERT INTO mails (id, purpose, email, attempts, next_attempt_at, created_at) "
        "VALUES ($1, $2, $3, 1, now(), now())",
        rows[0]["id"], rows[0]["purpose"], rows[0]["email"],
    )  # fmt: skip
    codes = await accounts.codes()
    assert len(codes) == 2
    assert len({mail["Message-ID"] for mail in accounts.office.mails}) == 1, "one message to a server that knows it"
    assert (await verify(accounts, first)).status_code == 204


async def test_concurrent_senders_send_each_mail_once(accounts: Accounts) -> None:
    await gather(*(accounts.register(email=f"customer{number}@example.com") for number in range(12)))
    await gather(*(send_due(accounts.served.runtime) for _ in range(4)))
    assert sorted(mail["To"] for mail in accounts.office.mails) == sorted(
        f"customer{number}@example.com" for number in range(12)
    )


async def test_without_a_website_the_mail_has_the_code_alone() -> None:
    async with open_accounts(web_url="") as accounts:
        await accounts.register()
        [mail] = await accounts.mails()
        assert code_of(mail)
        assert "http" not in mail.get_content()
