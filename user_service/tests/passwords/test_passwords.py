"""Passwords: which are accepted, changing one, and resetting one by mail."""

import json
import random
import time
import unicodedata
from asyncio import gather
from typing import Any

import httpx
import pytest

from contracts.events.users import SessionEnded, UserChanged
from tests.harness.service import Served
from user_service.passwords.hashing import Passwords
from user_service.passwords.strength import assess, normalised
from user_service.settings import Settings
from user_service.tests.conftest import ADA, Accounts, replace_resources

NEW = "staple orbit lantern"


async def confirm(accounts: Accounts, token: str, password: str = NEW) -> httpx.Response:
    body = {"token": token, "new_password": password}
    return await accounts.served.anonymous.post("/auth/password-reset/confirm", json=body)


async def statuses(accounts: Accounts) -> tuple[int, int]:
    """The status of signing in with the old password, and with the new one."""
    old, new = await accounts.sign_in(), await accounts.sign_in(password=NEW)
    return old.status_code, new.status_code


# --- a new one by mail ---


async def test_a_reset_sets_the_password_ends_all_sessions_and_confirms_the_address(accounts: Accounts) -> None:
    await accounts.register()
    _, first = await accounts.session()
    _, second = await accounts.session()
    code = await accounts.reset_code()
    assert any(f"https://mart.test/reset-password#token={code}" in mail.get_content() for mail in accounts.office.mails)
    assert await statuses(accounts) == (200, 400), "asking changes nothing"

    assert (await confirm(accounts, code)).status_code == 204
    assert await statuses(accounts) == (400, 200)
    assert [await accounts.stays(first), await accounts.stays(second)] == [False, False]
    ada, _ = await accounts.session(password=NEW)
    assert (await ada.get("/users/me")).json()["email_verified"] is True
    events = await accounts.served.events()
    assert [(type(event), event.version) for event in events] == [
        (UserChanged, 1), (UserChanged, 2), (SessionEnded, 3), (UserChanged, 4),
    ]  # fmt: skip


async def test_a_reset_code_is_valid_once(accounts: Accounts) -> None:
    await accounts.register()
    first, second = await accounts.reset_code(), await accounts.reset_code()
    answers = await gather(*(confirm(accounts, code) for code in (first, first, second, second)))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]
    assert (await confirm(accounts, second, "another word or two")).status_code == 400


async def test_a_code_is_valid_for_an_hour_and_is_only_in_the_mail(accounts: Accounts) -> None:
    await accounts.register()
    code = await accounts.reset_code()
    [[seconds]] = await accounts.sql(
        "SELECT extract(epoch FROM expires_at - now()) FROM mail_tokens WHERE purpose = 'reset-password'"
    )
    assert 3500 < seconds <= 3600
    assert code not in str(await accounts.sql("SELECT row_to_json(t)::text FROM mail_tokens AS t"))
    await accounts.sql("UPDATE mail_tokens SET expires_at = now()")
    assert (await confirm(accounts, code)).status_code == 400


async def test_a_rejected_weak_password_does_not_use_up_the_code(accounts: Accounts) -> None:
    await accounts.register()
    code = await accounts.reset_code()
    rejected = await confirm(accounts, code, "password1")
    assert (rejected.status_code, rejected.json()["type"]) == (422, "/problems/password-too-weak")
    assert (await confirm(accounts, code)).status_code == 204


async def test_verification_codes_and_reset_codes_are_not_interchangeable(accounts: Accounts) -> None:
    await accounts.register()
    [verifies] = await accounts.codes()
    resets = await accounts.reset_code()
    assert (await confirm(accounts, verifies)).status_code == 400
    assert (await accounts.served.anonymous.post("/auth/verify-email", json={"token": resets})).status_code == 400


async def test_requesting_a_reset_does_not_reveal_whether_an_account_exists(accounts: Accounts) -> None:
    await accounts.register()
    found, unknown = await accounts.request_reset(), await accounts.request_reset("nobody@example.com")
    assert (found.status_code, found.content) == (unknown.status_code, unknown.content)
    assert found.status_code == 202
    assert set(found.headers) == set(unknown.headers)
    assert await accounts.mails("nobody@example.com") == []
    assert await accounts.sql("SELECT 1 FROM mails") == []


async def test_a_disabled_account_gets_no_code_and_no_new_password(accounts: Accounts) -> None:
    ada = await accounts.register()
    code = await accounts.reset_code()
    await accounts.staff.patch(f"/users/{ada.user_id}", json={"active": False})
    assert (await confirm(accounts, code)).status_code == 400
    before = len(accounts.office.mails)
    assert (await accounts.request_reset()).status_code == 202
    assert len(await accounts.mails()) == before


# --- changing it ---


async def test_changing_the_password_needs_the_present_one_and_ends_other_sessions(accounts: Accounts) -> None:
    await accounts.register()
    ada, mine = await accounts.session()
    _, other = await accounts.session()
    code = await accounts.reset_code()
    body = {"present_password": "not the one", "new_password": NEW}
    rejected = await ada.put("/users/me/password", json=body)
    assert (rejected.status_code, rejected.json()["type"]) == (403, "/problems/wrong-password")
    assert await statuses(accounts) == (200, 400)

    body["present_password"] = ADA["password"]
    assert (await ada.put("/users/me/password", json=body)).status_code == 204
    assert await statuses(accounts) == (400, 200)
    assert [await accounts.stays(mine), await accounts.stays(other)] == [True, False]
    assert (await confirm(accounts, code)).status_code == 400, "what was mailed for the old one is not good any more"


async def test_of_two_concurrent_password_changes_one_succeeds(accounts: Accounts) -> None:
    await accounts.register()
    ada, _ = await accounts.session()
    words = [f"{word} orbit lantern" for word in ("staple", "copper", "willow", "gravel")]
    bodies = [{"present_password": ADA["password"], "new_password": new} for new in words]
    answers = await gather(*(ada.put("/users/me/password", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [204, 403, 403, 403]


# --- which may be chosen ---


@pytest.mark.parametrize(
    "password",
    [
        "x1y7x2z3",
        "*&^%$£~#",
        "ada likes orbits",
        "кошка на окне",
        "🐎🔋📎🏠🦉🍋🎻⛵",
        "all lower case and nothing else",
        "𝓯𝓪𝓷𝓬𝔂 𝔀𝓸𝓻𝓭𝓼 𝓱𝓮𝓻𝓮",
        "ü" * 3 + "öä žluťoučký kůň" * 7,
        "a" + "\u0301" + " combining accent",
        "".join(random.Random(7).sample([chr(number) for number in range(0x1F400, 0x1F4F0)], 128)),
    ],
)
async def test_a_password_may_contain_any_character(accounts: Accounts, password: str) -> None:
    assert 8 <= len(unicodedata.normalize("NFKC", password)) <= 128
    await accounts.register(password=password)
    assert (await accounts.sign_in(password=password)).status_code == 200
    assert (await accounts.sign_in(password=password[:-1])).status_code == 400


async def test_passwords_are_normalised(accounts: Accounts) -> None:
    await accounts.register(password="café ﬁnistère lamp")
    assert (await accounts.sign_in(password="cafe\u0301 finiste\u0300re lamp")).status_code == 200


@pytest.mark.parametrize("password", ["orbit 7", "o" * 129, "🦉🍋🎻" * 43, "\ufdfa" * 8, "e\u0301" * 7])
async def test_characters_are_counted_after_normalisation_and_not_bytes(accounts: Accounts, password: str) -> None:
    answer = await accounts.served.anonymous.post("/users", json={**ADA, "password": password})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/validation-failed")
    assert [error["field"] for error in answer.json()["errors"]] == ["password"]
    assert "8 to 128 characters" in answer.json()["errors"][0]["message"]
    if password:
        assert password not in answer.text


@pytest.mark.parametrize(
    "password",
    [
        "password", "Password1", "P4ssw0rd!", "qwertyuiop", "12345678", "iloveyou", "aaaaaaaa", "abcdefgh", "trustno1",
        "ada@example.com", "AdaLovelace1!", "lovelace1815", "onlinemart", "Online-Mart-1", "OnlineMart!Ada",
        "ADA.lovelace", "ｐａｓｓｗｏｒｄ", "20061987",
    ],
)  # fmt: skip
def test_common_passwords_are_weak(password: str) -> None:
    found = assess(normalised(password), ["ada@example.com", "Ada Lovelace"])
    assert found.score < 2
    assert found.warning
    assert found.suggestions


async def test_the_rejection_of_a_weak_password_has_suggestions(accounts: Accounts) -> None:
    answer = await accounts.served.anonymous.post("/users", json={**ADA, "password": "Lovelace-1815"})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "/problems/password-too-weak")
    assert problem["score"] < 2
    assert problem["suggestions"]
    assert problem["detail"].startswith("Choose another password. ")
    assert "1815" not in answer.text


async def test_a_reset_and_a_change_reject_weak_passwords_too(accounts: Accounts) -> None:
    await accounts.register()
    ada, _ = await accounts.session()
    body = {"present_password": ADA["password"], "new_password": "LovelaceAda"}
    changed = await ada.put("/users/me/password", json=body)
    reset = await confirm(accounts, await accounts.reset_code(), "LovelaceAda")
    assert [changed.status_code, reset.status_code] == [422, 422]


async def test_the_strength_endpoint_estimates_a_password(accounts: Accounts) -> None:
    async def ask(**body: str) -> Any:
        answer = await accounts.served.anonymous.post("/auth/password-strength", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    weak = await ask(password="lovelace1815", full_name="Ada Lovelace")
    assert (weak["score"], weak["acceptable"]) == (0, False)
    assert weak["warning"]
    assert weak["suggestions"]
    assert await ask(password=NEW) == {"score": 4, "acceptable": True, "warning": "", "suggestions": []}
    assert "password" in (await accounts.served.anonymous.get("/openapi.json")).text


@pytest.mark.parametrize("password", ["4@8({[<369&#!1/|0$5+7%2" * 5, "1a!" * 42, "4@8{5$" * 21, "20" * 64, "\0" * 20])
def test_no_password_takes_long_to_estimate(password: str) -> None:
    """zxcvbn alone takes seconds for some texts, which an attacker could use to keep the service busy."""
    assess("warm up the dictionaries", [])
    began = time.thread_time()
    assess(password, ["ada@example.com", "Ada " * 50])
    assert time.thread_time() - began < 0.5


# --- at rest ---


async def test_a_cheaper_hash_is_replaced_at_the_next_sign_in(accounts: Accounts) -> None:
    async def cost() -> str:
        [[hashed]] = await accounts.sql("SELECT password_hash FROM accounts")
        return str(hashed).split("$")[3]

    await accounts.register()
    assert await cost() == "m=8,t=1,p=1"
    replace_resources(accounts.served.runtime, passwords=Passwords(memory_kib=16, rounds=2))
    assert (await accounts.sign_in(password="not the one")).status_code == 400
    assert await cost() == "m=8,t=1,p=1", "only who knows the password can have it hashed again"
    assert (await accounts.sign_in()).status_code == 200
    assert await cost() == "m=16,t=2,p=1"
    replace_resources(accounts.served.runtime, passwords=Passwords(memory_kib=8, rounds=1))
    assert (await accounts.sign_in()).status_code == 200
    assert await cost() == "m=16,t=2,p=1", "less is no reason"


async def test_concurrent_sign_ins_all_succeed_while_a_cheaper_hash_is_replaced(accounts: Accounts) -> None:
    await accounts.register()
    replace_resources(accounts.served.runtime, passwords=Passwords(memory_kib=16, rounds=2))
    answers = await gather(*(accounts.sign_in() for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8


async def test_the_hash_is_argon2id_with_owasp_parameters_by_default(service: Served) -> None:
    settings = Settings.model_fields
    assert (settings["password_memory_kib"].default, settings["password_rounds"].default) == (19_456, 2)
    hashed = await service.runtime.resource(Passwords).hash(NEW)
    assert hashed.startswith("$argon2id$v=19$")


@pytest.mark.parametrize("strange", ["a\0b", "x" * 500, "\ufdfa" * 128])
async def test_an_odd_password_is_a_wrong_one(accounts: Accounts, strange: str) -> None:
    await accounts.register()
    ada, _ = await accounts.session()
    body = json.dumps({"present_password": strange, "new_password": NEW})
    answer = await ada.put("/users/me/password", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("strange", ["\0", "a\0@example.com", "ada@example.com\0", "%", "_" * 320])
async def test_an_odd_user_name_matches_no_account(accounts: Accounts, strange: str) -> None:
    await accounts.register()
    answer = await accounts.sign_in(username=strange)
    assert answer.status_code == 400, answer.text
