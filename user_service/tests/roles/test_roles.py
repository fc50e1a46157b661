"""The shop's own roles: their permissions, who may assign them, and events about changes."""

from asyncio import gather
from uuid import UUID

import pytest

from contracts.events import users
from contracts.permissions import ROLES, Permission, Role, permissions_of
from tests.harness.service import Caller, Served
from user_service.tests.person import PASSWORD, Person

PACKER = {"name": "Packer", "description": "packs", "permissions": ["shipments:read", "shipments:dispatch"]}


@pytest.fixture
async def admin(service: Served) -> Caller:
    return service.caller(role="Admin")


@pytest.fixture
async def ada(service: Served) -> Person:
    return await Person(service).register()


async def make_role(admin: Caller, **changes: object) -> None:
    answer = await admin.post("/roles", json={**PACKER, **changes})
    assert answer.status_code == 201, answer.text


async def published(service: Served, account: UUID) -> users.UserChanged:
    """The last snapshot of the account that was published."""
    last = [event for event in await service.events(users.UserChanged) if event.user_id == account][-1]
    assert isinstance(last, users.UserChanged)
    return last


async def test_the_catalogue_lists_all_permissions(service: Served, admin: Caller) -> None:
    items = (await admin.get("/permissions")).json()["items"]
    assert {item["name"] for item in items} == set(Permission)
    assert all(item["description"] for item in items)


async def test_a_role_is_created_read_changed_and_deleted(admin: Caller) -> None:
    made = await admin.post("/roles", json=PACKER)
    assert (made.status_code, made.headers["Location"]) == (201, "/roles/Packer")
    assert made.json()["permissions"] == sorted(PACKER["permissions"])
    names = [role["name"] for role in (await admin.get("/roles")).json()["items"]]
    assert names == ["Admin", "SubAdmin", "User", "Guest", "Packer"]

    tag = {"If-Match": made.headers["ETag"]}
    changed = await admin.patch("/roles/Packer", json={"permissions": ["shipments:read"]}, headers=tag)
    assert (changed.json()["permissions"], changed.json()["version"]) == (["shipments:read"], 2)
    assert (await admin.patch("/roles/Packer", json={"description": "x"}, headers=tag)).status_code == 412
    assert (await admin.get("/roles/Packer")).json()["description"] == "packs"

    assert (await admin.delete("/roles/Packer")).status_code == 204
    assert (await admin.get("/roles/Packer")).status_code == 404


@pytest.mark.parametrize("name", ["packer", "PACKER", "Packer", "admin", "User"])
async def test_a_second_role_with_a_name_in_another_case_is_rejected(admin: Caller, name: str) -> None:
    await make_role(admin)
    answer = await admin.post("/roles", json={**PACKER, "name": name})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/role-exists")


@pytest.mark.parametrize(
    "changes", [{"name": "with blank"}, {"name": ""}, {"permissions": ["fly"]}, {"version": 7}, {"built_in": True}]
)
async def test_a_bad_role_is_rejected(admin: Caller, changes: dict[str, object]) -> None:
    assert (await admin.post("/roles", json={**PACKER, **changes})).status_code == 422


async def test_concurrent_requests_cannot_exceed_the_number_of_roles(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("user_service.roles.use_cases.MAX_ROLES", 1)
    answers = await gather(*(admin.post("/roles", json={**PACKER, "name": f"Packer{n}"}) for n in "ABCDE"))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4


async def test_built_in_roles_cannot_be_changed(admin: Caller) -> None:
    for name in ("Admin", "SubAdmin", "User"):
        role = (await admin.get(f"/roles/{name}")).json()
        assert role["built_in"]
        assert set(role["permissions"]) == ROLES[Role(name)]
        answers = [await admin.patch(f"/roles/{name}", json={"permissions": []}), await admin.delete(f"/roles/{name}")]
        assert {answer.json()["type"] for answer in answers} == {"/problems/role-built-in"}


async def test_only_admins_manage_roles(service: Served, admin: Caller) -> None:
    await make_role(admin)
    for who in (service.caller(role="User"), service.caller(role="SubAdmin")):
        for call in (
            who.get("/roles"), who.post("/roles", json=PACKER), who.get("/roles/Packer"),
            who.patch("/roles/Packer", json={"permissions": []}), who.delete("/roles/Packer"),
        ):  # fmt: skip
            assert (await call).status_code == 403
    assert (await service.caller(role="User").get("/permissions")).status_code == 403


async def test_permissions_of_several_roles_are_united_in_token_and_event(
    service: Served, admin: Caller, ada: Person
) -> None:
    await make_role(admin)
    await make_role(admin, name="Counter", permissions=["stock:read", "stock:adjust"])
    await ada.give("User", "Packer", "Counter", "Packer")
    expected = permissions_of(["User"]) | {"shipments:read", "shipments:dispatch", "stock:read", "stock:adjust"}
    await ada.sign_in()
    assert ada.permissions == expected
    event = await published(service, ada.id)
    assert (event.roles, event.permissions) == (["User", "Packer", "Counter"], sorted(expected))
    found = (await admin.get("/users", params={"role": "Packer"})).json()["items"]
    assert [item["id"] for item in found] == [str(ada.id)]


async def test_a_changed_role_is_published_for_each_holder_and_reaches_tokens_at_the_next_refresh(
    service: Served, admin: Caller, ada: Person
) -> None:
    await make_role(admin)
    await ada.give("User", "Packer")
    bob = await Person(service, email="bob@example.com").register()
    eve = await Person(service, email="eve@example.com").register()
    await bob.give("Packer")
    await ada.sign_in()
    before = len(await service.events())

    await admin.patch("/roles/Packer", json={"permissions": ["shipments:read", "stock:read"]})
    events = (await service.events())[before:]
    assert {event.user_id for event in events} == {ada.id, bob.id}
    assert (await published(service, bob.id)).permissions == ["shipments:read", "stock:read"]
    assert (await published(service, bob.id)).version == 3
    assert eve.id not in {event.user_id for event in events}

    assert "shipments:dispatch" in ada.permissions
    assert {"shipments:dispatch", "stock:read"} & (await ada.stay()).permissions == {"stock:read"}


async def test_a_changed_description_is_not_published(service: Served, admin: Caller, ada: Person) -> None:
    await make_role(admin)
    await ada.give("Packer")
    before = len(await service.events())
    assert (await admin.patch("/roles/Packer", json={"description": "again"})).json()["version"] == 2
    assert len(await service.events()) == before


async def test_a_revoked_role_is_missing_from_the_next_token(admin: Caller, ada: Person) -> None:
    await make_role(admin)
    await (await ada.give("User", "Packer")).sign_in()
    await ada.give("User")
    assert (await ada.stay()).permissions == permissions_of(["User"])


async def test_a_role_in_use_cannot_be_deleted(admin: Caller, ada: Person) -> None:
    await make_role(admin)
    await ada.give("User", "Packer")
    answer = await admin.delete("/roles/Packer")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/role-in-use")
    assert answer.json()["holders"] == 1
    await ada.give("User")
    assert (await admin.delete("/roles/Packer")).status_code == 204


async def test_a_role_that_does_not_exist_cannot_be_assigned(admin: Caller, ada: Person) -> None:
    answer = await admin.patch(f"/users/{ada.id}", json={"roles": ["User", "Ghost"]})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unknown-role")
    body = {"email": "x@example.com", "password": PASSWORD, "full_name": "X", "roles": ["Ghost"]}
    assert (await admin.post("/users", json=body)).json()["type"] == "/problems/unknown-role"


async def test_assigning_a_role_while_it_is_deleted_leaves_no_missing_role(
    service: Served, admin: Caller, ada: Person
) -> None:
    for _ in range(10):
        await make_role(admin)
        giving, deleting = await gather(
            admin.patch(f"/users/{ada.id}", json={"roles": ["User", "Packer"]}), admin.delete("/roles/Packer")
        )
        outcome = (giving.status_code, deleting.status_code)
        assert outcome in {(200, 409), (422, 204)}
        if outcome == (200, 409):
            await ada.give("User")
            assert (await admin.delete("/roles/Packer")).status_code == 204


async def test_granting_a_role_during_its_change_publishes_the_final_permissions(
    service: Served, admin: Caller, ada: Person
) -> None:
    await make_role(admin)
    own = service.caller(role="User", user_id=ada.id)
    for number in range(10):
        wanted = ["stock:read"] if number % 2 else ["shipments:read"]
        answers = await gather(
            admin.patch(f"/users/{ada.id}", json={"roles": ["Packer"]}),
            admin.patch("/roles/Packer", json={"permissions": wanted}),
            own.patch("/users/me", json={"full_name": f"Ada {number}"}),
        )
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert (await published(service, ada.id)).permissions == wanted
        await ada.give("User")
    versions = [event.version for event in await service.events(users.UserChanged) if event.user_id == ada.id]
    assert versions == list(range(1, len(versions) + 1))


async def test_managers_grant_and_revoke_only_permissions_they_hold(
    service: Served, admin: Caller, ada: Person
) -> None:
    """This holds for creating, changing and assigning roles, and for creating accounts with roles."""
    await make_role(admin, name="Strong", permissions=["refunds:write:any", "shipments:read"])
    boss = await (await Person(service, email="boss@example.com").register()).give("Admin")
    clerk = service.caller("roles:manage", "users:manage:any", "shipments:read")
    body = {"email": "x@example.com", "password": PASSWORD, "full_name": "X"}
    for call in (
        clerk.post("/roles", json={"name": "Mine", "permissions": ["refunds:write:any"]}),
        clerk.patch("/roles/Strong", json={"permissions": ["refunds:write:any", "shipments:read", "stock:adjust"]}),
        clerk.patch("/roles/Strong", json={"permissions": []}),
        clerk.patch(f"/users/{ada.id}", json={"roles": ["User", "Strong"]}),
        clerk.patch(f"/users/{ada.id}", json={"roles": ["Admin"]}),
        clerk.patch(f"/users/{boss.id}", json={"roles": ["User"]}),
        clerk.patch(f"/users/{boss.id}", json={"active": False}),
        clerk.post("/users", json={**body, "roles": ["Strong"]}),
        clerk.post("/users", json={**body, "roles": ["SubAdmin", "User"]}),
    ):
        answer = await call
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-yours-to-give"), answer.text

    assert (await clerk.post("/roles", json={"name": "Mine", "permissions": ["shipments:read"]})).status_code == 201
    assert (await clerk.patch(f"/users/{ada.id}", json={"roles": ["User", "Mine"]})).status_code == 200
    assert (await clerk.patch(f"/users/{ada.id}", json={"active": False})).status_code == 200
    assert (await clerk.post("/users", json=body)).status_code == 201
    assert (await admin.get("/roles/Strong")).json()["version"] == 1


@pytest.mark.parametrize("others", [0, 1])
async def test_of_two_admins_who_remove_each_other_concurrently_one_remains(service: Served, others: int) -> None:
    """The second request comes from somebody who is no Admin any more, whether there are other Admins or not."""
    for number in range(5):
        names = ("ann", "bob", "eve")[: 2 + others]
        ann, bob, *_ = [
            await (await Person(service, email=f"{name}{number}@example.com").register()).give("Admin")
            for name in names
        ]
        answers = await gather(
            service.caller(role="Admin", user_id=ann.id).patch(f"/users/{bob.id}", json={"roles": ["User"]}),
            service.caller(role="Admin", user_id=bob.id).patch(f"/users/{ann.id}", json={"active": False}),
        )
        done, rejected = sorted(answers, key=lambda answer: answer.status_code)
        assert (done.status_code, rejected.status_code) == (200, 403)
        assert rejected.json()["type"] == "/problems/no-longer-allowed"
        admins = (await service.caller(role="Admin").get("/users?role=Admin&active=true")).json()["items"]
        assert len(admins) == 1 + others
        async with service.runtime.database.connection() as connection:
            await connection.execute("UPDATE accounts SET roles = '{User}'")


async def test_the_last_admin_cannot_be_removed(service: Served) -> None:
    ann = await (await Person(service).register()).give("Admin")
    program = service.caller("users:manage:any", role="Admin")
    for change in ({"roles": ["User"]}, {"active": False}):
        answer = await program.patch(f"/users/{ann.id}", json=change)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/last-admin")


async def test_a_revoked_permission_cannot_be_granted_to_others(service: Served, admin: Caller) -> None:
    """Even with a token that was issued before and still contains the permission."""
    await make_role(admin, name="Head", permissions=["users:manage:any", "roles:manage", "api-clients:manage"])
    await make_role(admin, name="Cashier", permissions=["refunds:write:any"])
    client = (await admin.post("/api-clients", json={"name": "till", "permissions": ["refunds:write:any"]})).json()
    bob = await (await Person(service, email="bob@example.com").register()).give("User", "Head", "Cashier")
    ada = await Person(service).register()
    await bob.sign_in()
    await bob.give("User", "Head")
    body = {"email": "x@example.com", "password": PASSWORD, "full_name": "X"}
    for method, path, change in (
        ("PATCH", f"/users/{ada.id}", {"roles": ["User", "Cashier"]}),
        ("POST", "/users", {**body, "roles": ["Cashier"]}),
        ("POST", "/roles", {"name": "Mine", "permissions": ["refunds:write:any"]}),
        ("PATCH", "/roles/Cashier", {"permissions": []}),
        ("POST", "/api-clients", {"name": "mine", "permissions": ["refunds:write:any"]}),
        ("POST", f"/api-clients/{client['id']}/secrets", None),
    ):
        answer = await bob.call(method, path, json=change)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-longer-allowed"), f"{method} {path}"
    assert (await bob.call("PATCH", f"/users/{ada.id}", json={"roles": ["User", "Head"]})).status_code == 200
