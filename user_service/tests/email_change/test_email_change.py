"""Changes of an account's e-mail address."""

from email.message import EmailMessage

import httpx
import pytest

from contracts.events import users
from tests.harness.service import Caller
from user_service.mails.jobs import send_due
from user_service.tests.conftest import ADA, Accounts, code_of, open_accounts
from user_service.tests.phone import Phone

NEW = "ada@example.org"


async def ask(ada: Caller, **changes: str) -> httpx.Response:
    return await ada.post("/users/me/email", json={"new_email": NEW, "present_password": ADA["password"], **changes})


async def confirm(ada: Caller, token: str) -> httpx.Response:
    return await ada.post("/users/me/email/confirm", json={"token": token})


async def confirmed_ada(accounts: Accounts) -> Caller:
    """An account with a confirmed address, signed in through the API."""
    await accounts.register()
    [code] = await accounts.codes()
    assert (await accounts.served.anonymous.post("/auth/verify-email", json={"token": code})).status_code == 204
    return (await accounts.session())[0]


async def codes_to(accounts: Accounts, address: str) -> list[str]:
    return [code_of(mail) for mail in await accounts.mails(address)]


def subjects(mails: list[EmailMessage]) -> list[str]:
    return [str(mail["Subject"]) for mail in mails]


async def test_the_address_changes_when_the_mailed_code_is_confirmed(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    _, elsewhere = await accounts.session()
    assert (await ask(ada, new_email=f" {NEW.upper()} ")).status_code == 202
    assert (await ada.get("/users/me")).json()["email"] == ADA["email"], "not yet"
    assert subjects(await accounts.mails())[1:] == ["Your e-mail address is to be changed"]
    [code] = await codes_to(accounts, NEW)

    answer = await confirm(ada, code)
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"email": NEW, "email_verified": True} == answer.json()
    event = (await accounts.served.events(users.UserChanged))[-1]
    assert (event.email, event.email_verified, event.version) == (NEW, True, 5), "ending the other session counts too"
    assert (await accounts.sign_in()).status_code == 400
    assert (await accounts.sign_in(username=NEW)).status_code == 200
    assert not await accounts.stays(elsewhere), "sessions elsewhere end"
    assert subjects(await accounts.mails())[2:] == ["Your e-mail address was changed"]
    assert NEW not in str(await accounts.mails())
    asked = await accounts.audited(action="email.change-asked", subject_id=ada.user_id)
    changed = await accounts.audited(action="email.changed", subject_id=ada.user_id)
    assert len(asked) == len(changed) == 1
    assert NEW not in str(asked + changed)
    assert (await confirm(ada, code)).status_code == 400, "once"


async def test_a_change_of_address_needs_the_password(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    answer = await ask(ada, present_password="not the one")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/wrong-password")
    assert await accounts.mails(NEW) == []
    assert len(await accounts.audited(action="email.change-refused")) == 1


async def test_a_change_of_address_needs_the_second_factor_if_there_is_one(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    begun = await ada.post("/auth/mfa/totp", json={"password": ADA["password"]})
    phone = Phone(begun.json()["secret"])
    answer = await ada.post("/auth/mfa/totp/confirm", json={"code": phone.code()})
    assert answer.status_code == 200, answer.text
    for otp, kind in (({}, "second-factor-needed"), ({"otp": "000000"}, "wrong-second-factor")):
        answer = await ask(ada, **otp)
        assert (answer.status_code, answer.json()["type"]) == (403, f"/problems/{kind}")
    assert await accounts.mails(NEW) == []
    assert (await ask(ada, otp=phone.code())).status_code == 202
    [code] = await codes_to(accounts, NEW)
    assert (await confirm(ada, code)).status_code == 200


async def test_only_the_mail_reveals_that_an_address_is_taken(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    await accounts.register(email=NEW)
    free, taken = await ask(ada, new_email="free@example.org"), await ask(ada)
    assert (free.status_code, free.content) == (taken.status_code, taken.content) == (202, b"null")
    notices = [subject for subject in subjects(await accounts.mails(NEW)) if "Confirm" not in subject]
    assert notices == ["This e-mail address has an account already"], "whichever of the two mails was sent first"
    assert await accounts.sql("SELECT 1 FROM mail_tokens WHERE purpose = 'change-email'") == []


async def test_an_address_that_was_taken_in_the_meantime_is_rejected(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    await ask(ada)
    [code] = await codes_to(accounts, NEW)
    await accounts.register(email=NEW)
    answer = await confirm(ada, code)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/email-taken")
    assert (await accounts.sign_in()).status_code == 200


async def test_only_the_account_that_requested_the_change_can_confirm_it(accounts: Accounts) -> None:
    """The address was mistyped, and a stranger reads the mail: the link must not give them the account."""
    ada = await confirmed_ada(accounts)
    stranger = await accounts.register(email="stranger@example.com")
    await ask(ada)
    [code] = await codes_to(accounts, NEW)
    assert (await confirm(stranger, code)).status_code == 400
    answer = await accounts.served.anonymous.post("/users/me/email/confirm", json={"token": code})
    assert answer.status_code == 401
    assert (await accounts.served.anonymous.post("/auth/verify-email", json={"token": code})).status_code == 400
    assert (await confirm(ada, code)).status_code == 200


async def test_a_second_request_or_a_new_password_invalidates_the_first(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    await ask(ada)
    [first] = await codes_to(accounts, NEW)
    await ask(ada, new_email="ada@example.net")
    [second] = await codes_to(accounts, "ada@example.net")
    assert (await confirm(ada, first)).status_code == 400
    change = {"present_password": ADA["password"], "new_password": "staple orbit lantern"}
    assert (await ada.put("/users/me/password", json=change)).status_code == 204
    assert (await confirm(ada, second)).status_code == 400


@pytest.mark.parametrize("sent_before", [True, False])
async def test_a_reset_by_the_former_address_is_invalid_afterwards(accounts: Accounts, *, sent_before: bool) -> None:
    ada = await confirmed_ada(accounts)
    await ask(ada)
    [code] = await codes_to(accounts, NEW)
    await accounts.request_reset()
    resets = (
        [code_of(mail) for mail in await accounts.mails() if "new password" in mail["Subject"]] if sent_before else []
    )
    assert (await confirm(ada, code)).status_code == 200
    assert len([mail for mail in await accounts.mails() if "new password" in mail["Subject"]]) == len(resets)
    for reset in resets:
        body = {"token": reset, "new_password": "staple orbit lantern"}
        answer = await accounts.served.anonymous.post("/auth/password-reset/confirm", json=body)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/mail-token-not-good")


async def test_an_unconfirmed_former_address_gets_no_notice_of_the_change(accounts: Accounts) -> None:
    """It was never confirmed, so it may be a stranger's, to whom the first mail promised no other."""
    await accounts.register()
    ada, _ = await accounts.session()
    assert (await ask(ada)).status_code == 202
    [code] = await codes_to(accounts, NEW)
    assert (await confirm(ada, code)).json()["email_verified"] is True
    await send_due(accounts.served.runtime)
    assert subjects(await accounts.mails()) == ["Confirm your e-mail address"]


async def test_the_present_address_is_rejected_in_any_spelling(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    answer = await ask(ada, new_email=ADA["email"].upper())
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/same-email")


async def test_requests_to_change_the_address_are_rate_limited() -> None:
    async with open_accounts(limits=True, mails_to_account=4, known_device_attempts=100) as accounts:
        ada = await confirmed_ada(accounts)
        answers = [await ask(ada, new_email=f"ada{n}@example.org") for n in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert "Retry-After" in answers[-1].headers


async def test_an_erased_account_gets_no_mail(accounts: Accounts) -> None:
    ada = await confirmed_ada(accounts)
    await ask(ada)
    assert (await ada.delete("/users/me")).status_code == 204
    assert await accounts.sql("SELECT 1 FROM mails") == []
    assert await accounts.mails(NEW) == []
