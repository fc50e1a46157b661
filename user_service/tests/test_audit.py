"""Who did what to which account, from where, and when."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service_kit.database import Tx
from tests.harness.service import Caller
from user_service.audit.models import OURSELVES, Action
from user_service.audit.use_cases import record
from user_service.tests.conftest import ADA, AGENT, People

HOME = "192.0.2.1"


async def actions(people: People, **filters: Any) -> list[str]:
    """Oldest first."""
    return [entry["action"] for entry in reversed(await people.audited(**filters))]


async def test_registering_and_signing_in(people: People) -> None:
    ada = await people.register()
    home = people.at(HOME)
    assert (await people.sign_in(home, password="not the one")).status_code == 400
    assert (await people.sign_in(home)).status_code == 200
    assert (await people.sign_in(home, username="nobody@example.com")).status_code == 400
    nobody, succeeded, failed, registered = await people.audited()
    told: dict[str, Any] = {
        "subject_id": str(ada.user_id),
        "address": HOME,
        "user_agent": AGENT,
        "actor_id": None,
        "facts": {},
    }
    assert failed == failed | told | {"action": "sign-in.failed"}
    assert succeeded == succeeded | told | {"action": "sign-in.succeeded"}
    assert nobody == nobody | told | {"action": "sign-in.failed", "subject_id": None}
    assert registered == registered | {"action": "account.registered", "facts": {"roles": ["User"]}}
    assert datetime.now(UTC) - datetime.fromisoformat(failed["at"]) < timedelta(minutes=1)


async def test_what_one_does_with_ones_own_account(people: People) -> None:
    await people.register()
    ada, _ = await people.session()
    [code] = await people.codes()
    await people.served.anonymous.post("/auth/verify-email", json={"token": code})
    await ada.patch("/users/me", json={"full_name": "Ada King"})
    wrong = {"present_password": "not the one", "new_password": "staple orbit lantern"}
    await ada.put("/users/me/password", json=wrong)
    await ada.put("/users/me/password", json={**wrong, "present_password": ADA["password"]})
    body = {"token": await people.reset_code(), "new_password": "copper orbit lantern"}
    await people.served.anonymous.post("/auth/password-reset/confirm", json=body)
    ada, _ = await people.session(password=body["new_password"])
    await ada.get("/me/export")
    await ada.delete("/users/me")

    assert await actions(people, subject_id=str(ada.user_id)) == [
        "account.registered", "sign-in.succeeded", "email.verified", "account.changed", "password.change-refused",
        "password.changed", "password.reset-asked", "password.reset", "sign-in.succeeded",
        "data.exported", "account.erased",
    ]  # fmt: skip
    by_ada = await people.audited(actor_id=str(ada.user_id))
    assert {entry["action"] for entry in by_ada} == {
        "account.changed", "password.change-refused", "password.changed", "data.exported", "account.erased",
    }  # fmt: skip
    assert len({entry["session_id"] for entry in by_ada}) == 2, "before and after the reset"
    assert by_ada[0]["session_id"]


async def test_what_staff_do(people: People) -> None:
    made = (await people.staff.post("/users", json={**ADA, "roles": ["SubAdmin"]})).json()
    await people.staff.post("/users", json={**ADA, "email": "other@example.com", "roles": ["Admin"]})
    where = f"/users/{made['id']}"
    for change in ({"roles": ["User"]}, {"active": False}, {"active": True}, {"full_name": "Ada King"}, {}):
        assert (await people.staff.patch(where, json=change)).status_code == 200
    found = await people.audited(actor_id=str(people.staff.user_id), subject_id=made["id"])
    assert [(entry["action"], entry["facts"]) for entry in reversed(found)] == [
        ("account.created", {"roles": ["SubAdmin"]}),
        ("roles.changed", {"before": ["SubAdmin"], "after": ["User"]}),
        ("account.disabled", {}),
        ("account.enabled", {}),
        ("account.changed", {"fields": ["full_name"]}),
    ]


async def test_what_did_not_happen_is_not_told(people: People) -> None:
    admin = (await people.staff.post("/users", json={**ADA, "roles": ["Admin"]})).json()
    refused = await people.staff.patch(f"/users/{admin['id']}", json={"roles": ["User"]})
    assert refused.status_code == 409
    assert (await people.served.anonymous.post("/users", json=ADA)).status_code == 409
    assert await actions(people) == ["account.created"]


async def test_who_is_disabled_is_signed_out_everywhere_at_once(people: People) -> None:
    ada = await people.register()
    sessions = [(await people.session())[1] for _ in range(2)]
    await people.staff.patch(f"/users/{ada.user_id}", json={"active": False})
    assert await people.sql("SELECT 1 FROM refresh_tokens") == []
    assert (await people.sign_in()).status_code == 400
    assert (await people.audited(action="sign-in.failed"))[0]["facts"] == {"account": "disabled"}
    await people.staff.patch(f"/users/{ada.user_id}", json={"active": True})
    assert [await people.stays(session) for session in sessions] == [False, False]
    assert (await people.sign_in()).status_code == 200


async def test_erasing_leaves_the_log_which_names_nobody(people: People) -> None:
    ada = await people.register()
    await people.sign_in(password="not the one")
    await people.staff.patch(f"/users/{ada.user_id}", json={"full_name": "Augusta"})
    await ada.delete("/users/me")
    assert len(await people.audited(subject_id=str(ada.user_id))) == 4
    written = str(await people.sql("SELECT row_to_json(t)::text FROM audit_log AS t")).casefold()
    assert not [word for word in ("ada", "lovelace", "augusta", "example.com", "battery") if word in written]


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
async def test_the_database_refuses_to_change_the_log(people: People, statement: str) -> None:
    await people.register()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
        await people.sql(statement)
    assert await actions(people) == ["account.registered"]


async def test_it_is_written_in_the_transaction_of_what_it_tells(people: People) -> None:
    async def write(tx: Tx) -> None:
        record(tx, OURSELVES, Action.ROLES_CHANGED, uuid4(), before=[], after=["User"])
        await tx.flush()

    async with people.served.runtime.database.tx() as tx:
        await write(tx)
        await tx.rollback()
    assert await people.audited() == []
    async with people.served.runtime.database.tx() as tx:
        await write(tx)
    assert len(await people.audited()) == 1


async def test_search_by_who_whom_what_and_when(people: People) -> None:
    began = datetime.now(UTC)
    people_made = [await people.register(email=f"customer{number}@example.com") for number in range(5)]
    first: Callable[..., Awaitable[list[dict[str, Any]]]] = people.audited
    assert [UUID(e["subject_id"]) for e in await first()] == [each.user_id for each in reversed(people_made)]
    middle = (await first())[2]["at"]
    assert len(await first(since=middle)) == 3
    assert len(await first(until=middle)) == 2
    assert len(await first(since=began.isoformat(), until=middle, action="account.registered")) == 2
    assert await first(action="roles.changed") == []
    assert await first(actor_id=str(uuid4())) == []
    assert (await people.staff.get("/audit-log", params={"action": "nonsense"})).status_code == 422


@pytest.mark.parametrize(
    "time",
    ["2026-11-22T20:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0.5", "1790000000", "yesterday"],
)
async def test_what_is_no_plausible_time_is_refused(people: People, time: str) -> None:
    for side in ("since", "until"):
        assert (await people.staff.get("/audit-log", params={side: time})).status_code == 422


async def test_the_log_is_read_page_by_page(people: People) -> None:
    for number in range(5):
        await people.register(email=f"customer{number}@example.com")
    whole = await people.audited()
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = (await people.staff.get("/audit-log", params={"limit": 2, **cursor})).json()
        found += page["items"]
        cursor = {"cursor": page["next"]}
    assert found == whole
    assert page["next"] is None


async def test_admins_alone_read_it(people: People) -> None:
    def reads(caller: Caller) -> Any:
        return caller.get("/audit-log")

    for role, status in (("Admin", 200), ("SubAdmin", 403), ("User", 403)):
        assert (await reads(people.served.caller(role=role))).status_code == status, role
    assert (await people.served.anonymous.get("/audit-log")).status_code == 401
    for method in ("post", "put", "patch", "delete"):
        assert (await people.staff.client.request(method, "/audit-log")).status_code == 405
