"""API clients have an owner and an end date, and events about them have their tokens rejected at once."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.events.users import ApiClientChanged
from service_kit.clock import utcnow
from tests.harness.service import Caller, Served
from user_service.tests.person import Person

NO_LONGER = (403, "/problems/no-longer-allowed")
ROBOT: dict[str, Any] = {"name": "robot", "permissions": ["users:read:any", "roles:manage"]}


@pytest.fixture
async def admin(service: Served) -> Caller:
    return service.caller(role="Admin")


@pytest.fixture
async def robot(admin: Caller) -> dict[str, Any]:
    made: dict[str, Any] = (await admin.post("/api-clients", json=ROBOT)).json()
    return made


async def token_of(service: Served, robot: dict[str, Any]) -> httpx.Response:
    return await service.anonymous.post(
        "/auth/token", data={"grant_type": "client_credentials"}, auth=(robot["id"], robot["secret"])
    )


async def signed_in(service: Served, robot: dict[str, Any]) -> httpx.AsyncClient:
    answer = await token_of(service, robot)
    assert answer.status_code == 200, answer.text
    await service.runtime.keys.refresh()
    return service.client(answer.json()["access_token"])


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


@pytest.mark.parametrize("change", ["deleted", "disabled", "a permission less"])
async def test_permissions_removed_from_a_client_are_rejected_in_its_tokens(
    service: Served, admin: Caller, robot: dict[str, Any], change: str
) -> None:
    client, url = await signed_in(service, robot), f"/api-clients/{robot['id']}"
    assert (await client.get("/roles")).status_code == 200
    if change == "deleted":
        assert (await admin.delete(url)).status_code == 204
    else:
        body = {"active": False} if change == "disabled" else {"permissions": ["users:read:any"]}
        assert (await admin.patch(url, json=body)).status_code == 200
    assert problem(await client.get("/roles")) == NO_LONGER
    made, last = await service.events(ApiClientChanged)
    assert (made.active, made.permissions, str(made.user_id)) == (True, sorted(ROBOT["permissions"]), robot["id"])
    assert last.version > made.version
    assert "roles:manage" not in last.permissions or not last.active


async def test_a_client_has_an_end_date_and_its_tokens_expire_by_then(
    service: Served, admin: Caller, robot: dict[str, Any]
) -> None:
    url = f"/api-clients/{robot['id']}"
    in_a_year = utcnow() + timedelta(days=365)
    assert robot["expires_at"][:10] in {f"{in_a_year:%Y-%m-%d}", f"{in_a_year - timedelta(days=1):%Y-%m-%d}"}
    for wrong in (utcnow() - timedelta(days=1), utcnow() + timedelta(days=366)):
        answer = await admin.patch(url, json={"expires_at": wrong.isoformat()})
        assert problem(answer) == (422, "/problems/ends-too-late")
    soon = (utcnow() + timedelta(seconds=90)).isoformat()
    assert (await admin.patch(url, json={"expires_at": soon})).status_code == 200
    assert 80 <= (await token_of(service, robot)).json()["expires_in"] <= 90
    async with service.runtime.database.connection() as connection:
        await connection.execute("UPDATE api_clients SET expires_at = now()")
    assert (await token_of(service, robot)).json()["error"] == "invalid_client"


@pytest.mark.parametrize("leaving", ["disabled", "erased"])
async def test_a_client_is_disabled_with_its_owner_and_can_be_handed_over(
    service: Served, admin: Caller, leaving: str
) -> None:
    """A person who has left may know its secret."""
    bob = await (await Person(service, email="bob@example.com").register()).sign_in()
    eve = await Person(service, email="eve@example.com").register()
    robot = (await admin.post("/api-clients", json={**ROBOT, "owner_id": str(bob.id)})).json()
    kept = (await admin.post("/api-clients", json={**ROBOT, "owner_id": str(bob.id)})).json()
    url = f"/api-clients/{robot['id']}"
    handed_over = await admin.patch(f"/api-clients/{kept['id']}", json={"owner_id": str(eve.id)})
    assert handed_over.json()["owner_id"] == str(eve.id)
    client, other = await signed_in(service, robot), await signed_in(service, kept)

    if leaving == "disabled":
        await admin.patch(f"/users/{bob.id}", json={"active": False})
    else:
        assert (await bob.call("DELETE", "/users/me")).status_code == 204
    assert problem(await client.get("/roles")) == NO_LONGER
    assert (await other.get("/roles")).status_code == 200
    assert (await admin.get(url)).json()["active"] is False
    assert problem(await admin.patch(url, json={"active": True})) == (409, "/problems/owner-not-active")
    assert problem(await admin.patch(url, json={"owner_id": str(uuid4())})) == (409, "/problems/owner-not-active")
    again = await admin.patch(url, json={"active": True, "owner_id": str(eve.id)})
    assert (again.status_code, again.json()["active"]) == (200, True)


async def test_a_client_created_by_a_client_belongs_to_the_same_owner(service: Served, admin: Caller) -> None:
    body = {"name": "maker", "permissions": ["api-clients:manage"]}
    maker = await signed_in(service, (await admin.post("/api-clients", json=body)).json())
    made = (await maker.post("/api-clients", json={"name": "made", "permissions": []})).json()
    assert made["owner_id"] == str(admin.user_id)


async def test_sign_ins_of_a_client_are_recorded(service: Served, admin: Caller, robot: dict[str, Any]) -> None:
    await token_of(service, robot)
    await token_of(service, {**robot, "secret": "wrong"})
    await admin.patch(f"/api-clients/{robot['id']}", json={"active": False})
    await token_of(service, robot)
    found = (await admin.get("/audit-log", params={"actor_id": robot["id"]})).json()["items"]
    assert [(entry["action"], entry["facts"].get("wrong")) for entry in found] == [
        ("api-client.sign-in-failed", "client"),
        ("api-client.sign-in-failed", "secret"),
        ("api-client.sign-in-succeeded", None),
    ]
    assert all(entry["address"] for entry in found)
    assert robot["secret"] not in str(found)
