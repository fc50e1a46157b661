"""Passwords: which may be chosen, changing one, and getting a new one by mail."""

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
from user_service.passwords.strength import judge, normalised
from user_service.settings import Settings
from user_service.tests.conftest import ADA, People

NEW = "staple orbit lantern"


async def confirm(people: People, token: str, password: str = NEW) -> httpx.Response:
    body = {"token": token, "new_password": password}
    return await people.served.anonymous.post("/auth/password-reset/confirm", json=body)


async def statuses(people: People) -> tuple[int, int]:
    """Of signing in with the old password, and with the new one."""
    old, new = await people.sign_in(), await people.sign_in(password=NEW)
    return old.status_code, new.status_code


# --- a new one by mail ---


async def test_a_reset_sets_the_password_ends_all_sessions_and_proves_the_address(people: People) -> None:
    await people.register()
    _, first = await people.session()
    _, second = await people.session()
    code = await people.reset_code()
    assert any(f"https://mart.test/reset-password#token={code}" in mail.get_content() for mail in people.office.mails)
    assert await statuses(people) == (200, 400), "asking changes nothing"

    assert (await confirm(people, code)).status_code == 204
    assert await statuses(people) == (400, 200)
    assert [await people.stays(first), await people.stays(second)] == [False, False]
    ada, _ = await people.session(password=NEW)
    assert (await ada.get("/users/me")).json()["email_verified"] is True
    events = await people.served.events()
    assert [(type(event), event.version) for event in events] == [
        (UserChanged, 1), (UserChanged, 2), (SessionEnded, 3), (UserChanged, 4),
    ]  # fmt: skip


async def test_a_code_sets_one_password(people: People) -> None:
    await people.register()
    first, second = await people.reset_code(), await people.reset_code()
    answers = await gather(*(confirm(people, code) for code in (first, first, second, second)))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]
    assert (await confirm(people, second, "another word or two")).status_code == 400


async def test_a_code_is_good_for_an_hour_and_stands_nowhere_but_in_the_mail(people: People) -> None:
    await people.register()
    code = await people.reset_code()
    [[seconds]] = await people.sql(
        "SELECT extract(epoch FROM expires_at - now()) FROM mail_tokens WHERE purpose = 'reset-password'"
    )
    assert 3500 < seconds <= 3600
    assert code not in str(await people.sql("SELECT row_to_json(t)::text FROM mail_tokens AS t"))
    await people.sql("UPDATE mail_tokens SET expires_at = now()")
    assert (await confirm(people, code)).status_code == 400


async def test_a_weak_password_does_not_use_the_code_up(people: People) -> None:
    await people.register()
    code = await people.reset_code()
    refused = await confirm(people, code, "password1")
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/password-too-weak")
    assert (await confirm(people, code)).status_code == 204


async def test_the_code_that_verifies_resets_nothing_and_the_other_way(people: People) -> None:
    await people.register()
    [verifies] = await people.codes()
    resets = await people.reset_code()
    assert (await confirm(people, verifies)).status_code == 400
    assert (await people.served.anonymous.post("/auth/verify-email", json={"token": resets})).status_code == 400


async def test_asking_for_a_reset_tells_nobody_whether_there_is_an_account(people: People) -> None:
    await people.register()
    found, unknown = await people.ask_for_reset(), await people.ask_for_reset("nobody@example.com")
    assert (found.status_code, found.content) == (unknown.status_code, unknown.content)
    assert found.status_code == 202
    assert set(found.headers) == set(unknown.headers)
    assert await people.mails("nobody@example.com") == []
    assert await people.sql("SELECT 1 FROM mails") == []


async def test_a_disabled_account_gets_no_code_and_no_new_password(people: People) -> None:
    ada = await people.register()
    code = await people.reset_code()
    await people.staff.patch(f"/users/{ada.user_id}", json={"active": False})
    assert (await confirm(people, code)).status_code == 400
    before = len(people.office.mails)
    assert (await people.ask_for_reset()).status_code == 202
    assert len(await people.mails()) == before


# --- changing it ---


async def test_changing_it_asks_for_the_present_one_and_ends_the_other_sessions(people: People) -> None:
    await people.register()
    ada, mine = await people.session()
    _, other = await people.session()
    code = await people.reset_code()
    body = {"present_password": "not the one", "new_password": NEW}
    refused = await ada.put("/users/me/password", json=body)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/wrong-password")
    assert await statuses(people) == (200, 400)

    body["present_password"] = ADA["password"]
    assert (await ada.put("/users/me/password", json=body)).status_code == 204
    assert await statuses(people) == (400, 200)
    assert [await people.stays(mine), await people.stays(other)] == [True, False]
    assert (await confirm(people, code)).status_code == 400, "what was mailed for the old one is not good any more"


async def test_of_two_changes_at_once_one_succeeds(people: People) -> None:
    await people.register()
    ada, _ = await people.session()
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
async def test_any_character_is_welcome_and_the_password_opens(people: People, password: str) -> None:
    assert 8 <= len(unicodedata.normalize("NFKC", password)) <= 128
    await people.register(password=password)
    assert (await people.sign_in(password=password)).status_code == 200
    assert (await people.sign_in(password=password[:-1])).status_code == 400


async def test_a_word_typed_on_two_keyboards_is_one_word(people: People) -> None:
    await people.register(password="café ﬁnistère lamp")
    assert (await people.sign_in(password="cafe\u0301 finiste\u0300re lamp")).status_code == 200


@pytest.mark.parametrize("password", ["orbit 7", "o" * 129, "🦉🍋🎻" * 43, "\ufdfa" * 8, "e\u0301" * 7])
async def test_characters_are_counted_after_normalisation_and_not_bytes(people: People, password: str) -> None:
    answer = await people.served.anonymous.post("/users", json={**ADA, "password": password})
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
def test_what_anyone_would_try_is_weak(password: str) -> None:
    found = judge(normalised(password), ["ada@example.com", "Ada Lovelace"])
    assert found.score < 2
    assert found.reason
    assert found.advice


async def test_a_weak_password_is_refused_with_what_to_do(people: People) -> None:
    answer = await people.served.anonymous.post("/users", json={**ADA, "password": "Lovelace-1815"})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "/problems/password-too-weak")
    assert problem["score"] < 2
    assert problem["suggestions"]
    assert problem["detail"].startswith("Choose another password. ")
    assert "1815" not in answer.text


async def test_the_same_holds_for_a_reset_and_a_change(people: People) -> None:
    await people.register()
    ada, _ = await people.session()
    body = {"present_password": ADA["password"], "new_password": "LovelaceAda"}
    changed = await ada.put("/users/me/password", json=body)
    reset = await confirm(people, await people.reset_code(), "LovelaceAda")
    assert [changed.status_code, reset.status_code] == [422, 422]


async def test_a_meter_can_ask_how_strong_it_is(people: People) -> None:
    async def ask(**body: str) -> Any:
        answer = await people.served.anonymous.post("/auth/password-strength", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    weak = await ask(password="lovelace1815", full_name="Ada Lovelace")
    assert (weak["score"], weak["acceptable"]) == (0, False)
    assert weak["warning"]
    assert weak["suggestions"]
    assert await ask(password=NEW) == {"score": 4, "acceptable": True, "warning": "", "suggestions": []}
    assert "password" in (await people.served.anonymous.get("/openapi.json")).text


@pytest.mark.parametrize("password", ["4@8({[<369&#!1/|0$5+7%2" * 5, "1a!" * 42, "4@8{5$" * 21, "20" * 64, "\0" * 20])
def test_no_password_takes_long_to_judge(password: str) -> None:
    """zxcvbn alone takes seconds for some, which anyone could make us spend."""
    judge("warm up the dictionaries", [])
    began = time.thread_time()
    judge(password, ["ada@example.com", "Ada " * 50])
    assert time.thread_time() - began < 0.5


# --- at rest ---


async def test_a_hash_grows_with_the_settings_at_the_next_sign_in(people: People) -> None:
    async def cost() -> str:
        [[hashed]] = await people.sql("SELECT password_hash FROM accounts")
        return str(hashed).split("$")[3]

    await people.register()
    assert await cost() == "m=8,t=1,p=1"
    people.served.runtime.provide(Passwords(memory_kib=16, rounds=2))
    assert (await people.sign_in(password="not the one")).status_code == 400
    assert await cost() == "m=8,t=1,p=1", "only who knows the password can have it hashed anew"
    assert (await people.sign_in()).status_code == 200
    assert await cost() == "m=16,t=2,p=1"
    people.served.runtime.provide(Passwords(memory_kib=8, rounds=1))
    assert (await people.sign_in()).status_code == 200
    assert await cost() == "m=16,t=2,p=1", "less is no reason"


async def test_it_is_argon2id_as_owasp_wants_it_unless_told_otherwise(service: Served) -> None:
    settings = Settings.model_fields
    assert (settings["password_memory_kib"].default, settings["password_rounds"].default) == (19_456, 2)
    hashed = await service.runtime.resource(Passwords).hash(NEW)
    assert hashed.startswith("$argon2id$v=19$")


@pytest.mark.parametrize("strange", ["a\0b", "x" * 500, "\ufdfa" * 128])
async def test_a_strange_password_is_a_wrong_one(people: People, strange: str) -> None:
    await people.register()
    ada, _ = await people.session()
    body = json.dumps({"present_password": strange, "new_password": NEW})
    answer = await ada.put("/users/me/password", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("strange", ["\0", "a\0@example.com", "ada@example.com\0", "%", "_" * 320])
async def test_a_strange_user_name_is_nobodys(people: People, strange: str) -> None:
    await people.register()
    answer = await people.sign_in(username=strange)
    assert answer.status_code == 400, answer.text
