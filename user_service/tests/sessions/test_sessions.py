"""Sessions: refresh tokens that are valid once, the detection of stolen ones, and the list of one's sessions."""

from asyncio import gather
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from tests.harness.service import Served
from user_service.keys.vault import Vault
from user_service.sessions.models import device_of
from user_service.sessions.use_cases import prune
from user_service.tests.conftest import SETTINGS, replace_resources
from user_service.tests.person import Person, later, live_tokens


@pytest.fixture
async def ada(service: Served) -> Person:
    return await (await Person(service).register()).sign_in()


def rejected(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and answer.json()["error"] == "invalid_grant"


async def test_each_use_of_a_refresh_token_returns_another(ada: Person) -> None:
    seen = {ada.tokens["refresh_token"]}
    for _ in range(3):
        seen.add((await ada.stay()).tokens["refresh_token"])
    assert len(seen) == 4
    assert await live_tokens(ada.service) == 1


async def test_fifty_concurrent_uses_have_one_successor_and_keep_the_session(ada: Person) -> None:
    answers = await gather(*(ada.refresh() for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert await live_tokens(ada.service) == 1
    assert (await ada.refresh(successors.pop())).status_code == 200


async def test_reuse_of_a_stolen_token_ends_the_session(ada: Person) -> None:
    stolen = ada.tokens["refresh_token"]
    await ada.stay()
    await later(ada.service, 11)
    assert rejected(await ada.refresh(stolen))
    assert rejected(await ada.refresh())
    assert await live_tokens(ada.service) == 0


async def test_reuse_after_the_successor_was_used_is_theft(ada: Person) -> None:
    first = ada.tokens["refresh_token"]
    await ada.stay()
    await ada.stay()
    assert rejected(await ada.refresh(first))
    assert rejected(await ada.refresh())


async def test_a_retry_by_another_program_is_theft(ada: Person) -> None:
    first = ada.tokens["refresh_token"]
    await ada.stay()
    thief = Person(ada.service, user_agent="curl/8")
    assert rejected(await thief.refresh(first))
    assert rejected(await ada.refresh())


async def test_concurrent_theft_and_use_leave_one_valid_token_at_most(ada: Person) -> None:
    """Old tokens and the present one are used concurrently: whatever comes first, one token at most stays valid."""
    old = ada.tokens["refresh_token"]
    await ada.stay()
    await later(ada.service, 11)
    await gather(*(ada.refresh(token) for token in [old, ada.tokens["refresh_token"]] * 10))
    assert await live_tokens(ada.service) == 0
    assert rejected(await ada.refresh())


async def test_a_retry_survives_a_new_encryption_secret(ada: Person) -> None:
    first = ada.tokens["refresh_token"]
    await ada.stay()
    present = SecretStr(SETTINGS["key_encryption_secret"])
    replace_resources(ada.service.runtime, vault=Vault(SecretStr("another secret"), former=present))
    again = await ada.refresh(first)
    assert again.json()["refresh_token"] == ada.tokens["refresh_token"]


async def test_an_unused_session_expires_and_is_deleted(ada: Person) -> None:
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE sessions SET expires_at = now() - interval '1 second'")
    assert rejected(await ada.refresh())
    await prune(ada.service.runtime)
    async with ada.service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM refresh_tokens") == 0


async def test_a_session_expires_after_its_longest_lifetime_however_often_it_is_used(ada: Person) -> None:
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE sessions SET created_at = now() - interval '179 days'")
        await ada.stay()
        left = await connection.fetchval("SELECT expires_at - now() FROM sessions")
    assert left.days == 0


async def test_signing_out_ends_the_session(ada: Person) -> None:
    token = ada.tokens["refresh_token"]
    for _ in range(2):
        answer = await ada.service.anonymous.post("/auth/logout", data={"refresh_token": token})
        assert answer.status_code == 204
    assert rejected(await ada.refresh())


async def test_a_session_is_listed_and_can_be_ended(ada: Person) -> None:
    laptop = Person(ada.service, user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    await laptop.sign_in()
    listed = (await ada.call("GET", "/auth/sessions")).json()["items"]
    assert [(item["device"], item["address"], item["current"]) for item in listed] == [
        ("Firefox on Linux", "127.0.0.1", False),
        ("Ada's phone", "127.0.0.1", True),
    ]
    before = listed[1]["last_used_at"]
    await ada.stay()
    listed = (await ada.call("GET", "/auth/sessions")).json()["items"]
    assert listed[1]["last_used_at"] > before

    assert (await ada.call("DELETE", f"/auth/sessions/{listed[0]['id']}")).status_code == 204
    assert rejected(await laptop.refresh())
    assert len((await ada.call("GET", "/auth/sessions")).json()["items"]) == 1
    assert (await ada.refresh()).status_code == 200


async def test_all_other_sessions_can_be_ended(ada: Person) -> None:
    others = [await Person(ada.service, user_agent=f"other{n}/1").sign_in() for n in range(3)]
    assert (await ada.call("DELETE", "/auth/sessions")).status_code == 204
    for other in others:
        assert rejected(await other.refresh())
    assert (await ada.refresh()).status_code == 200


async def test_sessions_of_others_cannot_be_ended(ada: Person) -> None:
    [mine] = (await ada.call("GET", "/auth/sessions")).json()["items"]
    eve = await (await Person(ada.service, email="eve@example.com").register()).sign_in()
    for url in (f"/auth/sessions/{mine['id']}", f"/auth/sessions/{uuid4()}"):
        assert (await eve.call("DELETE", url)).status_code == 404
    await eve.call("DELETE", "/auth/sessions")
    assert [item["current"] for item in (await eve.call("GET", "/auth/sessions")).json()["items"]] == [True]
    assert (await ada.refresh()).status_code == 200


async def test_erasing_an_account_during_its_use_leaves_no_session(ada: Person) -> None:
    async def use() -> httpx.Response:
        return await ada.refresh()

    answers = await gather(use(), use(), ada.call("DELETE", "/users/me"), use(), use())
    assert answers[2].status_code == 204
    assert {answer.status_code for answer in answers} <= {200, 204, 400}
    assert await live_tokens(ada.service) == 0


async def test_the_database_stores_no_token(ada: Person) -> None:
    await ada.stay()
    async with ada.service.runtime.database.connection() as connection:
        rows = await connection.fetch("SELECT to_jsonb(t) || to_jsonb(s) FROM refresh_tokens t, sessions s")
    assert rows
    assert ada.tokens["refresh_token"] not in str(rows)


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("python-httpx/0.28", "python-httpx"),
        ("", "unknown"),
    ],
)
def test_a_device_is_described(user_agent: str, device: str) -> None:
    assert device_of(user_agent) == device
