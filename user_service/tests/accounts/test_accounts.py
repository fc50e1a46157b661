"""Accounts over HTTP: registration, the caller's own profile, and the operations for staff."""

from asyncio import gather
from uuid import UUID, uuid4

import pytest

from contracts.events import users
from contracts.permissions import permissions_of
from tests.harness.service import Caller, Served
from user_service.account_management.use_cases import ensure_first_admin

ADA = {"email": "Ada@Example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"}


async def register(service: Served, **changes: str) -> Caller:
    answer = await service.anonymous.post("/users", json={**ADA, **changes})
    assert answer.status_code == 201, answer.text
    return service.caller(role="User", user_id=UUID(answer.json()["id"]))


async def test_registering_makes_an_unverified_customer_and_publishes_it(service: Served) -> None:
    answer = await service.anonymous.post("/users", json=ADA)

    account = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/users/me"
    assert account | {"email": "ada@example.com", "roles": ["User"], "email_verified": False, "active": True} == account
    assert "password" not in answer.text
    [event] = await service.events()
    assert event == users.UserChanged(
        user_id=account["id"], email="ada@example.com", full_name="Ada Lovelace", roles=["User"],
        email_verified=False, active=True, permissions=sorted(permissions_of(["User"])), groups=[], version=1,
    )  # fmt: skip


async def test_a_second_account_with_an_address_in_another_case_is_rejected(service: Served) -> None:
    emails = ["ada@example.com", "ADA@example.com", "Ada@Example.com", "aDA@example.com"]
    answers = await gather(*(service.anonymous.post("/users", json={**ADA, "email": e}) for e in emails))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    rejected = next(answer for answer in answers if answer.status_code == 409)
    assert rejected.headers["Content-Type"] == "application/problem+json"
    assert rejected.json()["type"] == "/problems/email-taken"
    assert len(await service.events()) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"full_name": "   "}, "full_name"),
        ({"id": str(uuid4())}, "id"),
        ({"email_verified": True}, "email_verified"),
    ],
)
async def test_a_validation_error_names_the_invalid_field(
    service: Served, changes: dict[str, object], field: str
) -> None:
    answer = await service.anonymous.post("/users", json={**ADA, **changes})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_text_with_nul_is_a_validation_error(service: Served) -> None:
    answer = await service.anonymous.post("/users", json={**ADA, "full_name": "Ada\0Lovelace"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/validation-failed")
    assert answer.json()["errors"][0]["field"] == "full_name"
    assert await service.events() == []


async def test_a_common_password_is_rejected_at_registration(service: Served) -> None:
    answer = await service.anonymous.post("/users", json={**ADA, "password": "ada@example.com"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/password-too-weak")


async def test_only_staff_give_roles_and_their_accounts_are_verified(service: Served) -> None:
    body = {**ADA, "roles": ["SubAdmin"]}
    assert (await service.anonymous.post("/users", json=body)).status_code == 403
    assert (await service.caller(role="SubAdmin").post("/users", json=body)).status_code == 403

    answer = await service.caller(role="Admin").post("/users", json=body)
    assert answer.status_code == 201
    assert answer.json()["roles"] == ["SubAdmin"]
    assert answer.json()["email_verified"] is True


async def test_a_profile_change_with_an_outdated_etag_is_rejected(service: Served) -> None:
    ada = await register(service)
    tag = (await ada.get("/users/me")).headers["ETag"]
    first = await ada.patch("/users/me", json={"full_name": "Ada King"}, headers={"If-Match": tag})
    second = await ada.patch("/users/me", json={"full_name": "A. A. L."}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert (await ada.get("/users/me")).json()["full_name"] == "Ada King"
    assert [event.version for event in await service.events()] == [1, 2]


async def test_a_change_without_effect_publishes_no_event(service: Served) -> None:
    ada = await register(service)
    await ada.patch("/users/me", json={"full_name": ADA["full_name"]})
    assert len(await service.events()) == 1


async def test_erasing_an_account_leaves_only_the_terminal_event(service: Served) -> None:
    ada = await register(service)
    address = {"name": "Ada", "line1": "1 Street", "city": "London", "country": "GB"}
    await ada.post("/users/me/addresses", json=address)
    assert (await ada.delete("/users/me")).status_code == 204
    rejected = await ada.get("/users/me")
    assert (rejected.status_code, rejected.json()["type"]) == (403, "/problems/no-longer-allowed")
    assert (await service.events())[-1] == users.UserErased(user_id=ada.user_id, version=2)
    async with service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM addresses") == 0


async def test_staff_find_accounts_by_text_role_and_status(service: Served) -> None:
    for number in range(5):
        await register(service, email=f"customer{number}@example.com", full_name=f"Customer {number}")
    staff = service.caller(role="SubAdmin")
    first = (await staff.get("/users", params={"q": "CUSTOMER", "limit": 3})).json()
    second = (await staff.get("/users", params={"q": "CUSTOMER", "limit": 3, "cursor": first["next"]})).json()
    names = [item["full_name"] for item in first["items"] + second["items"]]
    assert names == [f"Customer {number}" for number in (4, 3, 2, 1, 0)]
    assert second["next"] is None
    assert (await service.caller(role="User").get("/users")).status_code == 403
    assert (await service.anonymous.get("/users")).status_code == 401


async def test_an_invalid_cursor_is_an_error(service: Served) -> None:
    answer = await service.caller(role="Admin").get("/users", params={"cursor": "nonsense"})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-cursor")


async def test_the_first_admin_is_created_once_and_the_last_admin_cannot_be_removed(service: Served) -> None:
    await gather(ensure_first_admin(service.runtime), ensure_first_admin(service.runtime), return_exceptions=True)
    await ensure_first_admin(service.runtime)
    staff = service.caller(role="Admin")
    [admin] = (await staff.get("/users", params={"role": "Admin"})).json()["items"]
    assert admin["email"] == "admin@example.com"

    answer = await staff.patch(f"/users/{admin['id']}", json={"roles": ["User"]})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/last-admin")
    himself = service.caller(role="Admin", user_id=UUID(admin["id"]))
    answer = await himself.patch(f"/users/{admin['id']}", json={"active": False})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-oneself")
