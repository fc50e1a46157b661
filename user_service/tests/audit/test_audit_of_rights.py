"""The audit log of sessions, second factors, roles and API clients."""

from tests.harness.service import Caller
from user_service.audit.models import Action
from user_service.tests.conftest import Accounts
from user_service.tests.person import PASSWORD, Person, later
from user_service.tests.phone import enrol

OWN = {
    Action.SESSION_ENDED, Action.OTHER_SESSIONS_ENDED, Action.SESSION_STOLEN, Action.MFA_ENABLED, Action.MFA_DISABLED,
    Action.MFA_CHANGE_REFUSED, Action.RECOVERY_CODES_RENEWED,
}  # fmt: skip


async def emitted(accounts: Accounts, of: set[Action]) -> list[str]:
    """Oldest first."""
    return [entry["action"] for entry in reversed(await accounts.audited()) if entry["action"] in of]


async def test_changes_of_ones_own_sessions_and_second_factor_are_recorded(accounts: Accounts) -> None:
    ada = await (await Person(accounts.served).register()).sign_in()
    await ada.call("DELETE", "/auth/sessions")
    await ada.call("POST", "/auth/mfa/totp", json={"password": "wrong"})
    phone, codes = await enrol(ada)
    await ada.call("POST", "/auth/mfa/recovery-codes", json={"password": PASSWORD, "code": phone.code()})
    await ada.call("POST", "/auth/mfa/totp/disable", json={"password": PASSWORD, "code": codes[0]})
    await ada.call("POST", "/auth/mfa/totp/disable", json={"password": PASSWORD, "code": phone.code()})
    stolen = ada.tokens["refresh_token"]
    await ada.stay()
    await later(accounts.served, 11)
    assert (await ada.refresh(stolen)).status_code == 400
    await ada.sign_in()
    await accounts.served.anonymous.post("/auth/logout", data={"refresh_token": ada.tokens["refresh_token"]})
    assert await emitted(accounts, OWN) == [
        Action.OTHER_SESSIONS_ENDED, Action.MFA_CHANGE_REFUSED, Action.MFA_ENABLED, Action.RECOVERY_CODES_RENEWED,
        Action.MFA_CHANGE_REFUSED, Action.MFA_DISABLED, Action.SESSION_STOLEN, Action.SESSION_ENDED,
    ]  # fmt: skip
    entries = await accounts.audited(subject_id=str(ada.id), action=Action.MFA_ENABLED)
    assert [(entry["actor_id"], bool(entry["session_id"])) for entry in entries] == [(str(ada.id), True)]


async def test_changes_of_roles_and_api_clients_are_recorded(accounts: Accounts) -> None:
    admin: Caller = accounts.staff
    await admin.post("/roles", json={"name": "Packer", "permissions": ["shipments:read"]})
    await admin.patch("/roles/Packer", json={"permissions": ["shipments:read", "stock:read"]})
    await admin.delete("/roles/Packer")
    robot = (await admin.post("/api-clients", json={"name": "robot", "permissions": ["stock:read"]})).json()
    url = f"/api-clients/{robot['id']}"
    second = (await admin.post(f"{url}/secrets")).json()
    await admin.delete(f"{url}/secrets/{second['id']}")
    await admin.patch(url, json={"active": False})
    await admin.delete(url)
    entries = list(reversed(await accounts.audited(actor_id=str(admin.user_id))))
    assert [entry["action"] for entry in entries] == [
        Action.ROLE_CREATED, Action.ROLE_CHANGED, Action.ROLE_DELETED, Action.API_CLIENT_CREATED,
        Action.API_CLIENT_SECRET_ADDED, Action.API_CLIENT_SECRET_REMOVED, Action.API_CLIENT_CHANGED,
        Action.API_CLIENT_DELETED,
    ]  # fmt: skip
    assert entries[1]["facts"] == {
        "role": "Packer", "before": ["shipments:read"], "after": ["shipments:read", "stock:read"],
    }  # fmt: skip
    assert robot["secret"] not in str(entries)
    assert second["secret"] not in str(entries)


async def test_rejected_changes_are_not_recorded_as_done(accounts: Accounts) -> None:
    await accounts.staff.post("/roles", json={"name": "Packer", "permissions": ["stock:read"]})
    before = len(await accounts.audited())
    clerk = accounts.served.caller("roles:manage", "api-clients:manage")
    assert (await clerk.patch("/roles/Packer", json={"permissions": ["stock:adjust"]})).status_code == 403
    assert (await clerk.post("/roles", json={"name": "Packer", "permissions": []})).status_code == 409
    assert (await clerk.post("/api-clients", json={"name": "x", "permissions": ["stock:read"]})).status_code == 403
    assert len(await accounts.audited()) == before
