"""Managers can't manage accounts, roles, API clients or sessions that have permissions which they lack."""

from typing import Any

import pytest

from tests.harness.service import Caller, Served
from user_service.tests.person import Person

MANAGES = ("users:manage:any", "users:read:any", "roles:manage", "api-clients:manage", "sessions:manage")
LESSER, EQUAL = (*MANAGES, "stock:read"), (*MANAGES, "stock:read", "stock:adjust")
HELD = ["stock:adjust", "stock:read"]


@pytest.fixture
async def urls(service: Served) -> dict[str, str]:
    """An account, a role and an API client, each with the permission to correct stock."""
    admin = service.caller(role="Admin")
    for name in ("Counter", "Unused"):
        made = await admin.post("/roles", json={"name": name, "permissions": HELD})
        assert made.status_code == 201, made.text
    ada = await (await (await Person(service).register()).give("User", "Counter")).sign_in()
    client = (await admin.post("/api-clients", json={"name": "robot", "permissions": HELD})).json()
    second = (await admin.post(f"/api-clients/{client['id']}/secrets")).json()
    return {
        "account": f"/users/{ada.id}",
        "client": f"/api-clients/{client['id']}",
        "secret": f"/api-clients/{client['id']}/secrets/{second['id']}",
    }


MATRIX: list[tuple[str, str, dict[str, Any] | None]] = [
    ("PATCH", "{account}", {"full_name": "Renamed"}),
    ("PATCH", "{account}", {"roles": ["User"]}),
    ("PATCH", "{account}", {"active": False}),
    ("DELETE", "{account}/sessions", None),
    ("PATCH", "/roles/Counter", {"description": "another"}),
    ("PATCH", "/roles/Counter", {"permissions": ["stock:read"]}),
    ("DELETE", "/roles/Unused", None),
    ("PATCH", "{client}", {"name": "renamed"}),
    ("PATCH", "{client}", {"permissions": ["stock:read"]}),
    ("PATCH", "{client}", {"active": False}),
    ("POST", "{client}/secrets", None),
    ("DELETE", "{secret}", None),
    ("DELETE", "{client}", None),
]


@pytest.mark.parametrize(("method", "url", "body"), MATRIX, ids=[f"{m} {u} {b or ''}" for m, u, b in MATRIX])
async def test_managers_cannot_change_accounts_with_more_permissions(
    service: Served, urls: dict[str, str], method: str, url: str, body: dict[str, Any] | None
) -> None:
    async def ask(who: Caller) -> Any:
        return await who.client.request(method, url.format(**urls), json=body)

    rejected = await ask(service.caller(*LESSER))
    assert (rejected.status_code, rejected.json()["type"]) == (403, "/problems/not-yours-to-give")
    assert "stock:adjust" in rejected.json()["detail"]
    done = await ask(service.caller(*EQUAL))
    assert done.status_code in (200, 201, 204, 409), done.text
    assert done.status_code != 409 or done.json()["type"] == "/problems/too-many-secrets"
