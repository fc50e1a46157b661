"""When a session ends, every service rejects its access tokens; the event survives the compaction of the topic."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from jose import jwt

from contracts.events.users import SessionEnded, UserChanged
from tests.harness.service import Served
from user_service.tests.person import PASSWORD, Person, later
from user_service.tests.phone import enrol

OVER = (401, "/problems/session-over")


@pytest.fixture
async def ada(service: Served) -> Person:
    return await (await Person(service).register()).sign_in()


def session_of(person: Person) -> UUID:
    return UUID(jwt.get_unverified_claims(person.tokens["access_token"])["sid"])


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


async def sign_out(ada: Person, laptop: Person) -> Any:
    return await ada.service.anonymous.post("/auth/logout", data={"refresh_token": laptop.tokens["refresh_token"]})


async def end_one(ada: Person, laptop: Person) -> Any:
    return await ada.call("DELETE", f"/auth/sessions/{session_of(laptop)}")


async def end_others(ada: Person, _: Person) -> Any:
    return await ada.call("DELETE", "/auth/sessions")


async def change_password(ada: Person, _: Person) -> Any:
    body = {"present_password": PASSWORD, "new_password": "staple orbit lantern"}
    return await ada.call("PUT", "/users/me/password", json=body)


async def turn_on_second_factor(ada: Person, _: Person) -> Any:
    return await enrol(ada)


async def be_stolen(ada: Person, laptop: Person) -> Any:
    stolen = laptop.tokens["refresh_token"]
    await laptop.stay()
    await later(ada.service, 11)
    return await laptop.refresh(stolen)


ENDINGS = (sign_out, end_one, end_others, change_password, turn_on_second_factor, be_stolen)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_access_tokens_of_an_ended_session_are_rejected_and_an_event_is_published(
    ada: Person, ending: Callable[[Person, Person], Awaitable[Any]]
) -> None:
    laptop = await Person(ada.service, user_agent="laptop/1").sign_in()
    await ending(ada, laptop)
    rejected = await laptop.call("GET", "/users/me")
    assert problem(rejected) == OVER
    assert 'error="invalid_token"' in rejected.headers["WWW-Authenticate"]
    assert (await ada.call("GET", "/users/me")).status_code == 200

    *_, ended, snapshot = await ada.service.events()
    assert isinstance(ended, SessionEnded)
    assert (ended.user_id, ended.session_ids) == (ada.id, [session_of(laptop)])
    assert isinstance(snapshot, UserChanged), "the topic is compacted: what stays must be the account"
    assert snapshot.version == ended.version + 1
    assert [each.session_id for each in snapshot.ended_sessions] == ended.session_ids


async def test_staff_end_the_sessions_of_any_account(ada: Person) -> None:
    support = ada.service.caller(role="SubAdmin")
    url = f"/users/{ada.id}/sessions"
    [listed] = (await support.get(url)).json()["items"]
    assert (listed["id"], listed["current"]) == (str(session_of(ada)), False)
    assert (await support.delete(url)).status_code == 204
    assert problem(await ada.call("GET", "/users/me")) == OVER
    assert (await ada.refresh()).json()["error"] == "invalid_grant"
    assert (await (await ada.sign_in()).call("GET", "/users/me")).status_code == 200
    log = (await ada.service.caller(role="Admin").get("/audit-log", params={"subject_id": str(ada.id)})).json()
    entry = next(each for each in log["items"] if each["action"] == "session.all-ended-by-staff")
    assert entry["actor_id"] == str(support.user_id)
    assert (await support.delete(f"/users/{uuid4()}/sessions")).status_code == 404
    assert (await ada.service.caller(role="User").delete(url)).status_code == 403


async def test_an_account_that_was_disabled_and_enabled_again_must_sign_in(ada: Person) -> None:
    admin = ada.service.caller(role="Admin")
    for active in (False, True):
        assert (await admin.patch(f"/users/{ada.id}", json={"active": active})).status_code == 200
    assert problem(await ada.call("GET", "/users/me")) == OVER
    assert (await (await ada.sign_in()).call("GET", "/users/me")).status_code == 200


async def test_a_snapshot_names_sessions_that_ended_within_the_life_of_a_token(ada: Person) -> None:
    await end_others(ada, await Person(ada.service, user_agent="laptop/1").sign_in())
    async with ada.service.runtime.database.connection() as connection:
        await connection.execute("UPDATE ended_sessions SET ended_at = now() - interval '2 hours'")
    await ada.call("PATCH", "/users/me", json={"full_name": "Ada King"})
    assert (await ada.service.events(UserChanged))[-1].ended_sessions == []


async def test_the_export_shows_ended_sessions_and_erasing_forgets_them(ada: Person) -> None:
    laptop = await Person(ada.service, user_agent="laptop/1").sign_in()
    await end_others(ada, laptop)
    assert str(session_of(laptop)) in (await ada.call("GET", "/me/export")).text
    assert (await ada.call("DELETE", "/users/me")).status_code == 204
    async with ada.service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ended_sessions") == 0
