"""The audit log of accounts."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service_kit.database import Session
from tests.harness.service import Caller
from user_service.audit.models import SYSTEM, Action
from user_service.audit.use_cases import record
from user_service.tests.conftest import ADA, AGENT, Accounts

HOME = "192.0.2.1"


async def actions(accounts: Accounts, **filters: Any) -> list[str]:
    """Oldest first."""
    return [entry["action"] for entry in reversed(await accounts.audited(**filters))]


async def test_registering_and_signing_in_are_recorded(accounts: Accounts) -> None:
    ada = await accounts.register()
    home = accounts.at(HOME)
    assert (await accounts.sign_in(home, password="not the one")).status_code == 400
    assert (await accounts.sign_in(home)).status_code == 200
    assert (await accounts.sign_in(home, username="nobody@example.com")).status_code == 400
    nobody, succeeded, failed, registered = await accounts.audited()
    published: dict[str, Any] = {
        "subject_id": str(ada.user_id),
        "address": HOME,
        "user_agent": AGENT,
        "actor_id": None,
        "facts": {},
    }
    assert failed == failed | published | {"action": "sign-in.failed"}
    assert succeeded == succeeded | published | {"action": "sign-in.succeeded"}
    assert nobody == nobody | published | {"action": "sign-in.failed", "subject_id": None}
    assert registered == registered | {"action": "account.registered", "facts": {"roles": ["User"]}}
    assert datetime.now(UTC) - datetime.fromisoformat(failed["at"]) < timedelta(minutes=1)


async def test_changes_of_ones_own_account_are_recorded(accounts: Accounts) -> None:
    await accounts.register()
    ada, _ = await accounts.session()
    [code] = await accounts.codes()
    await accounts.served.anonymous.post("/auth/verify-email", json={"token": code})
    await ada.patch("/users/me", json={"full_name": "Ada King"})
    wrong = {"present_password": "not the one", "new_password": "staple orbit lantern"}
    await ada.put("/users/me/password", json=wrong)
    await ada.put("/users/me/password", json={**wrong, "present_password": ADA["password"]})
    body = {"token": await accounts.reset_code(), "new_password": "copper orbit lantern"}
    await accounts.served.anonymous.post("/auth/password-reset/confirm", json=body)
    ada, _ = await accounts.session(password=body["new_password"])
    await ada.get("/me/export")
    await ada.delete("/users/me")

    assert await actions(accounts, subject_id=str(ada.user_id)) == [
        "account.registered", "sign-in.succeeded", "email.verified", "account.changed", "password.change-refused",
        "password.changed", "password.reset-asked", "password.reset", "sign-in.succeeded",
        "data.exported", "account.erased",
    ]  # fmt: skip
    by_ada = await accounts.audited(actor_id=str(ada.user_id))
    assert {entry["action"] for entry in by_ada} == {
        "account.changed", "password.change-refused", "password.changed", "data.exported", "account.erased",
    }  # fmt: skip
    assert len({entry["session_id"] for entry in by_ada}) == 2, "before and after the reset"
    assert by_ada[0]["session_id"]


async def test_changes_of_accounts_by_staff_are_recorded(accounts: Accounts) -> None:
    made = (await accounts.staff.post("/users", json={**ADA, "roles": ["SubAdmin"]})).json()
    await accounts.staff.post("/users", json={**ADA, "email": "other@example.com", "roles": ["Admin"]})
    where = f"/users/{made['id']}"
    for change in ({"roles": ["User"]}, {"active": False}, {"active": True}, {"full_name": "Ada King"}, {}):
        assert (await accounts.staff.patch(where, json=change)).status_code == 200
    found = await accounts.audited(actor_id=str(accounts.staff.user_id), subject_id=made["id"])
    assert [(entry["action"], entry["facts"]) for entry in reversed(found)] == [
        ("account.created", {"roles": ["SubAdmin"]}),
        ("roles.changed", {"before": ["SubAdmin"], "after": ["User"]}),
        ("account.disabled", {}),
        ("account.enabled", {}),
        ("account.changed", {"fields": ["full_name"]}),
    ]


async def test_a_rolled_back_change_is_not_audited(accounts: Accounts) -> None:
    admin = (await accounts.staff.post("/users", json={**ADA, "roles": ["Admin"]})).json()
    rejected = await accounts.staff.patch(f"/users/{admin['id']}", json={"roles": ["User"]})
    assert rejected.status_code == 409
    assert (await accounts.served.anonymous.post("/users", json=ADA)).status_code == 409
    assert await actions(accounts) == ["account.created"]


async def test_a_disabled_account_is_signed_out_everywhere(accounts: Accounts) -> None:
    ada = await accounts.register()
    sessions = [(await accounts.session())[1] for _ in range(2)]
    await accounts.staff.patch(f"/users/{ada.user_id}", json={"active": False})
    assert await accounts.sql("SELECT 1 FROM refresh_tokens") == []
    assert (await accounts.sign_in()).status_code == 400
    assert (await accounts.audited(action="sign-in.failed"))[0]["facts"] == {"account": "disabled"}
    await accounts.staff.patch(f"/users/{ada.user_id}", json={"active": True})
    assert [await accounts.stays(session) for session in sessions] == [False, False]
    assert (await accounts.sign_in()).status_code == 200


async def test_erasing_anonymises_the_log(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.sign_in(password="not the one")
    await accounts.staff.patch(f"/users/{ada.user_id}", json={"full_name": "Augusta"})
    await ada.delete("/users/me")
    assert len(await accounts.audited(subject_id=str(ada.user_id))) == 4
    written = str(await accounts.sql("SELECT row_to_json(t)::text FROM audit_log AS t")).casefold()
    # "ada" alone would also be found in ids, which are hexadecimal.
    assert not [word for word in ("ada@", "lovelace", "augusta", "example.com", "battery") if word in written]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'nothing'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "TRUNCATE audit_log CASCADE",
        "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (id) DO UPDATE SET action = 'nothing'",
    ],
)
async def test_the_database_rejects_to_change_the_log(accounts: Accounts, statement: str) -> None:
    await accounts.register()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
        await accounts.sql(statement)
    assert await actions(accounts) == ["account.registered"]


async def test_an_entry_is_written_in_the_transaction_that_it_records(accounts: Accounts) -> None:
    async def write(tx: Session) -> None:
        record(tx, SYSTEM, Action.ROLES_CHANGED, uuid4(), before=[], after=["User"])
        await tx.flush()

    async with accounts.served.runtime.database.session() as tx:
        await write(tx)
        await tx.rollback()
    assert await accounts.audited() == []
    async with accounts.served.runtime.database.session() as tx:
        await write(tx)
    assert len(await accounts.audited()) == 1


async def test_entries_are_found_by_actor_subject_action_and_time(accounts: Accounts) -> None:
    began = datetime.now(UTC)
    accounts_made = [await accounts.register(email=f"customer{number}@example.com") for number in range(5)]
    first: Callable[..., Awaitable[list[dict[str, Any]]]] = accounts.audited
    assert [UUID(e["subject_id"]) for e in await first()] == [each.user_id for each in reversed(accounts_made)]
    middle = (await first())[2]["at"]
    assert len(await first(since=middle)) == 3
    assert len(await first(until=middle)) == 2
    assert len(await first(since=began.isoformat(), until=middle, action="account.registered")) == 2
    assert await first(action="roles.changed") == []
    assert await first(actor_id=str(uuid4())) == []
    assert (await accounts.staff.get("/audit-log", params={"action": "nonsense"})).status_code == 422


@pytest.mark.parametrize(
    "time",
    ["2026-11-22T20:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0.5", "1790000000", "yesterday"],
)
async def test_an_implausible_time_is_rejected(accounts: Accounts, time: str) -> None:
    for side in ("since", "until"):
        assert (await accounts.staff.get("/audit-log", params={side: time})).status_code == 422


async def test_the_log_is_read_page_by_page(accounts: Accounts) -> None:
    for number in range(5):
        await accounts.register(email=f"customer{number}@example.com")
    whole = await accounts.audited()
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = (await accounts.staff.get("/audit-log", params={"limit": 2, **cursor})).json()
        found += page["items"]
        cursor = {"cursor": page["next"]}
    assert found == whole
    assert page["next"] is None


async def test_only_admins_read_the_log(accounts: Accounts) -> None:
    def reads(caller: Caller) -> Any:
        return caller.get("/audit-log")

    for role, status in (("Admin", 200), ("SubAdmin", 403), ("User", 403)):
        assert (await reads(accounts.served.caller(role=role))).status_code == status, role
    assert (await accounts.served.anonymous.get("/audit-log")).status_code == 401
    for method in ("post", "put", "patch", "delete"):
        assert (await accounts.staff.client.request(method, "/audit-log")).status_code == 405
