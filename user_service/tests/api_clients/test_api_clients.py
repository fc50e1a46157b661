"""API clients: programs with permissions of their own, and secrets that can be replaced while they run."""

import time
from asyncio import gather
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from jose import jwt

from service_kit.security.principal import FIRST_PARTY
from tests.harness import tokens
from tests.harness.service import Caller, Served
from user_service.tests.person import Person

ROBOT = {"name": "robot", "permissions": ["users:read:any", "stock:read"]}


@pytest.fixture
async def admin(service: Served) -> Caller:
    return service.caller(role="Admin")


@pytest.fixture
async def robot(admin: Caller) -> dict[str, Any]:
    answer = await admin.post("/api-clients", json=ROBOT)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api-clients/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


async def ask(service: Served, id: str, secret: str, **form: str) -> httpx.Response:
    return await service.anonymous.post(
        "/auth/token", data={"grant_type": "client_credentials", **form}, auth=httpx.BasicAuth(id, secret)
    )


async def test_a_token_in_the_clients_own_name(service: Served, robot: dict[str, Any]) -> None:
    answer = await ask(service, robot["id"], robot["secret"])
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    claims = jwt.get_unverified_claims(body["access_token"])
    assert (claims["sub"], claims["client_id"]) == (robot["id"], robot["id"])
    assert "sid" not in claims
    assert claims["permissions"] == sorted(ROBOT["permissions"])

    await service.runtime.keys.refresh()
    who = service.runtime.tokens.verify(body["access_token"])
    assert (who.user_id, who.client_id, who.is_person) == (UUID(robot["id"]), robot["id"], False)
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert (await service.anonymous.get("/users", headers=headers)).status_code == 200
    assert (await service.anonymous.get("/roles", headers=headers)).status_code == 403


async def test_client_credentials_are_accepted_in_the_form_too(service: Served, robot: dict[str, Any]) -> None:
    form = {"grant_type": "client_credentials", "client_id": robot["id"], "client_secret": robot["secret"]}
    assert (await service.anonymous.post("/auth/token", data=form)).status_code == 200


async def test_a_client_may_request_fewer_permissions_but_no_others(service: Served, robot: dict[str, Any]) -> None:
    assert (await ask(service, robot["id"], robot["secret"], scope="stock:read")).json()["scope"] == "stock:read"
    rejected = await ask(service, robot["id"], robot["secret"], scope="stock:read stock:adjust")
    assert (rejected.status_code, rejected.json()["error"]) == (400, "invalid_scope")


async def test_all_wrong_client_credentials_get_the_same_answer(
    service: Served, admin: Caller, robot: dict[str, Any]
) -> None:
    disabled = (await admin.post("/api-clients", json=ROBOT)).json()
    await admin.patch(f"/api-clients/{disabled['id']}", json={"active": False})
    attempts = [
        (robot["id"], "wrong"), (robot["id"], ""), (str(uuid4()), robot["secret"]), ("robot", robot["secret"]),
        ("", ""), (disabled["id"], disabled["secret"]), (robot["id"], disabled["secret"]),
    ]  # fmt: skip
    answers = [await ask(service, *each) for each in attempts]
    answers.append(await service.anonymous.post("/auth/token", data={"grant_type": "client_credentials"}))
    garbage = {"Authorization": "Basic %%%"}
    answers.append(
        await service.anonymous.post("/auth/token", data={"grant_type": "client_credentials"}, headers=garbage)
    )
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["error"] == "invalid_client"
    assert answers[0].headers["WWW-Authenticate"].startswith("Basic")


async def test_two_secrets_of_a_client_work_at_the_same_time(
    service: Served, admin: Caller, robot: dict[str, Any]
) -> None:
    url = f"/api-clients/{robot['id']}/secrets"
    second = (await admin.post(url)).json()
    for secret in (robot["secret"], second["secret"]):
        assert (await ask(service, robot["id"], secret)).status_code == 200
    third = await admin.post(url)
    assert (third.status_code, third.json()["type"]) == (409, "/problems/too-many-secrets")

    shown = (await admin.get(f"/api-clients/{robot['id']}")).json()["secrets"]
    assert all(secret["last_used_at"] for secret in shown)
    assert (await admin.delete(f"{url}/{shown[0]['id']}")).status_code == 204
    assert (await ask(service, robot["id"], robot["secret"])).status_code == 401
    assert (await ask(service, robot["id"], second["secret"])).status_code == 200
    last = await admin.delete(f"{url}/{second['id']}")
    assert (last.status_code, last.json()["type"]) == (409, "/problems/last-secret")
    assert (await admin.delete(f"{url}/{uuid4()}")).status_code == 404


async def test_concurrent_changes_leave_a_client_one_or_two_secrets(admin: Caller, robot: dict[str, Any]) -> None:
    url = f"/api-clients/{robot['id']}/secrets"
    made = await gather(*(admin.post(url) for _ in range(5)))
    assert sorted(answer.status_code for answer in made) == [201, 409, 409, 409, 409]
    ids = [secret["id"] for secret in (await admin.get(f"/api-clients/{robot['id']}")).json()["secrets"]]
    gone = await gather(*(admin.delete(f"{url}/{id}") for id in ids))
    assert sorted(answer.status_code for answer in gone) == [204, 409]


async def test_a_secret_is_shown_once_and_kept_as_a_hash(service: Served, admin: Caller, robot: dict[str, Any]) -> None:
    for answer in (await admin.get(f"/api-clients/{robot['id']}"), await admin.get("/api-clients")):
        assert robot["secret"] not in answer.text
    async with service.runtime.database.connection() as connection:
        rows = await connection.fetch("SELECT to_jsonb(s) || to_jsonb(c) FROM api_client_secrets s, api_clients c")
    assert rows
    assert robot["secret"] not in str(rows)


async def test_a_client_is_changed_disabled_and_deleted(service: Served, admin: Caller, robot: dict[str, Any]) -> None:
    url = f"/api-clients/{robot['id']}"
    tag = {"If-Match": (await admin.get(url)).headers["ETag"]}
    changed = await admin.patch(url, json={"permissions": ["stock:read"]}, headers=tag)
    assert (changed.json()["permissions"], changed.json()["name"]) == (["stock:read"], "robot")
    assert (await admin.patch(url, json={"name": "late"}, headers=tag)).status_code == 412
    assert (await ask(service, robot["id"], robot["secret"])).json()["scope"] == "stock:read"

    await admin.patch(url, json={"active": False})
    assert (await ask(service, robot["id"], robot["secret"])).status_code == 401
    await admin.patch(url, json={"active": True})
    assert (await ask(service, robot["id"], robot["secret"])).status_code == 200
    assert (await admin.delete(url)).status_code == 204
    assert (await ask(service, robot["id"], robot["secret"])).status_code == 401
    assert (await admin.get(url)).status_code == 404
    assert (await admin.get("/api-clients")).json()["items"] == []


async def test_only_admins_manage_api_clients(service: Served, robot: dict[str, Any]) -> None:
    url = f"/api-clients/{robot['id']}"
    for who in (service.caller(role="User"), service.caller(role="SubAdmin")):
        for call in (
            who.get("/api-clients"), who.post("/api-clients", json=ROBOT), who.get(url),
            who.patch(url, json={"active": False}), who.delete(url), who.post(f"{url}/secrets"),
        ):  # fmt: skip
            assert (await call).status_code == 403


async def test_a_manager_grants_a_client_only_permissions_they_hold(
    service: Served, admin: Caller, robot: dict[str, Any]
) -> None:
    url = f"/api-clients/{robot['id']}"
    clerk = service.caller("api-clients:manage", "stock:read")
    await admin.patch(url, json={"active": False})
    for call in (
        clerk.post("/api-clients", json=ROBOT),
        clerk.patch(url, json={"permissions": []}),
        clerk.patch(url, json={"active": True}),
        clerk.post(f"{url}/secrets"),
    ):
        assert (await call).json()["type"] == "/problems/not-yours-to-give"
    assert (await clerk.post("/api-clients", json={"name": "x", "permissions": ["stock:read"]})).status_code == 201


async def test_a_client_has_no_resources_of_its_own(service: Served) -> None:
    """Whatever its permissions are, it has no cart, orders or profile: no answer is a 5xx, and none has another's
    data."""
    await (await Person(service).register()).sign_in()
    id = uuid4()
    bearer = tokens.token(role="Admin", user_id=id, client_id=str(id))
    headers = {"Authorization": f"Bearer {bearer}"}
    address = {"name": "R", "line1": "1 Street", "city": "London", "country": "GB"}
    client = service.anonymous
    assert (await client.get("/users/me", headers=headers)).status_code == 404
    assert (await client.patch("/users/me", json={"full_name": "R"}, headers=headers)).status_code == 404
    assert (await client.delete("/users/me", headers=headers)).status_code == 404
    assert (await client.get("/users/me/addresses", headers=headers)).json()["items"] == []
    assert (await client.post("/users/me/addresses", json=address, headers=headers)).status_code == 404
    assert (await client.get("/auth/sessions", headers=headers)).json()["items"] == []
    assert (await client.delete("/auth/sessions", headers=headers)).status_code == 204
    assert (await client.get("/auth/mfa", headers=headers)).json()["enabled"] is False
    assert (await client.post("/auth/mfa/totp", json={"password": "x"}, headers=headers)).status_code == 404
    assert (await client.get("/auth/sessions", headers=headers)).json()["items"] == []


async def test_tokens_of_accounts_name_the_first_party_client(service: Served) -> None:
    ada = await (await Person(service).register()).sign_in()
    who = service.runtime.tokens.verify(ada.tokens["access_token"])
    assert (who.client_id, who.is_person) == (FIRST_PARTY, True)
    assert who.session_id is not None
    assert who.expires_at > time.time()


async def test_empty_client_credentials_of_swagger_are_ignored_with_a_password(service: Served) -> None:
    """Its Authorize window sends `Basic Og==`, an empty name and an empty secret, beside the password."""
    ada = await Person(service).register()
    answer = await service.anonymous.post(
        "/auth/token",
        data={"grant_type": "password", "username": ada.email, "password": "correct horse battery", "scope": ""},
        headers={"Authorization": "Basic Og=="},
    )
    assert answer.status_code == 200
