"""Customer groups: their names, their members, and the events that tell other services."""

from asyncio import gather
from uuid import UUID, uuid4

import pytest
from jose import jwt

from contracts.events.users import UserChanged
from tests.harness.recovery import recover, restored_database
from tests.harness.service import Caller, Served
from user_service.customer_groups import jobs
from user_service.tests.person import Person


@pytest.fixture
async def staff(service: Served) -> Caller:
    return service.caller("customer-groups:manage")


@pytest.fixture
async def ada(service: Served) -> Person:
    return await Person(service).register()


async def make(staff: Caller, name: str = "Wholesale") -> str:
    made = await staff.post("/customer-groups", json={"name": name})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def published(service: Served, account: UUID) -> list[list[UUID] | None]:
    """The groups in each snapshot of the account."""
    return [e.groups for e in await service.events(UserChanged) if isinstance(e, UserChanged) and e.user_id == account]


async def test_a_group_is_created_read_renamed_and_deleted(staff: Caller) -> None:
    made = await staff.post("/customer-groups", json={"name": " Wholesale "})
    url = made.headers["Location"]
    assert (made.status_code, made.json()["name"]) == (201, "Wholesale")
    renamed = await staff.patch(url, json={"name": "Trade"}, headers={"If-Match": made.headers["ETag"]})
    assert (renamed.json()["name"], renamed.json()["version"]) == ("Trade", 2)
    outdated = {"If-Match": made.headers["ETag"]}
    assert (await staff.patch(url, json={"name": "Shops"}, headers=outdated)).status_code == 412
    assert (await staff.delete(url, headers=outdated)).status_code == 412
    assert (await staff.get(url)).json()["name"] == "Trade"
    assert (await staff.delete(url)).status_code == 204
    assert [(await call(url)).status_code for call in (staff.get, staff.delete)] == [404, 404]
    assert (await staff.get("/customer-groups")).json()["items"] == []


async def test_a_name_is_unique_whatever_its_capitals_and_free_again_after_deletion(staff: Caller) -> None:
    answers = await gather(*(staff.post("/customer-groups", json={"name": name}) for name in ("VIP", "vip", "Vip")))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    other = await make(staff, "Other")
    rejected = await staff.patch(f"/customer-groups/{other}", json={"name": "vIP"})
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/customer-group-exists")
    [vip] = [answer.headers["Location"] for answer in answers if answer.status_code == 201]
    assert (await staff.delete(vip)).status_code == 204
    assert (await staff.patch(f"/customer-groups/{other}", json={"name": "vip"})).status_code == 200


async def test_groups_are_listed_by_name_page_by_page(staff: Caller) -> None:
    for name in ("C", "A", "B"):
        await make(staff, name)
    first = (await staff.get("/customer-groups", params={"limit": 2})).json()
    second = (await staff.get("/customer-groups", params={"limit": 2, "cursor": first["next"]})).json()
    assert [group["name"] for group in first["items"] + second["items"]] == ["A", "B", "C"]
    assert second["next"] is None


async def test_each_change_of_membership_is_published_once(service: Served, staff: Caller, ada: Person) -> None:
    group = await make(staff)
    url = f"/customer-groups/{group}/members"
    answers = await gather(*(staff.put(f"{url}/{ada.id}") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {204}
    [member] = (await staff.get(url)).json()["items"]
    assert (member["user_id"], member["email"], member["active"]) == (str(ada.id), ada.email, True)
    for _ in range(2):
        assert (await staff.delete(f"{url}/{ada.id}")).status_code == 204
    assert (await staff.get(url)).json()["items"] == []
    assert await published(service, ada.id) == [[], [UUID(group)], []]


async def test_members_of_different_groups_at_once_are_all_kept(service: Served, staff: Caller, ada: Person) -> None:
    groups = [await make(staff, name) for name in "ABCDE"]
    await gather(*(staff.put(f"/customer-groups/{group}/members/{ada.id}") for group in groups))
    last = (await published(service, ada.id))[-1]
    assert sorted(map(str, last or ())) == sorted(groups)


async def test_members_are_listed_page_by_page(service: Served, staff: Caller) -> None:
    group = await make(staff)
    people = [await Person(service, f"p{n}@example.com").register() for n in range(3)]
    for person in people:
        await staff.put(f"/customer-groups/{group}/members/{person.id}")
    url = f"/customer-groups/{group}/members"
    first = (await staff.get(url, params={"limit": 2})).json()
    second = (await staff.get(url, params={"limit": 2, "cursor": first["next"]})).json()
    assert [member["user_id"] for member in first["items"] + second["items"]] == [str(person.id) for person in people]


async def test_unknown_groups_and_accounts_are_not_found(staff: Caller, ada: Person) -> None:
    group = await make(staff)
    assert (await staff.put(f"/customer-groups/{group}/members/{uuid4()}")).status_code == 404
    assert (await staff.put(f"/customer-groups/{uuid4()}/members/{ada.id}")).status_code == 404
    assert (await staff.delete(f"/customer-groups/{uuid4()}/members/{ada.id}")).status_code == 404
    assert (await staff.get(f"/customer-groups/{uuid4()}/members")).status_code == 404
    assert (await staff.delete(f"/customer-groups/{group}/members/{uuid4()}")).status_code == 204, "idempotent"


async def test_an_account_has_a_limited_number_of_groups(
    staff: Caller, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("user_service.customer_groups.use_cases.MAX_GROUPS_OF_ACCOUNT", 1)
    groups = [await make(staff, name) for name in ("A", "B")]
    answers = await gather(*(staff.put(f"/customer-groups/{group}/members/{ada.id}") for group in groups))
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_a_deleted_group_leaves_its_members_in_batches(
    service: Served, staff: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    group = await make(staff)
    people = [await Person(service, f"p{n}@example.com").register() for n in range(5)]
    for person in people:
        await staff.put(f"/customer-groups/{group}/members/{person.id}")
    assert (await staff.delete(f"/customer-groups/{group}")).status_code == 204
    batches = 0
    while await jobs.forget_deleted(service.runtime):
        batches += 1
    assert batches == 3, "two members each time, and the row with the last"
    for person in people:
        assert (await published(service, person.id))[-1] == []
    async with service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM customer_groups") == 0
    assert (await staff.put(f"/customer-groups/{group}/members/{people[0].id}")).status_code == 404


async def test_a_member_who_is_added_while_the_group_is_deleted_does_not_stay(
    service: Served, staff: Caller, ada: Person
) -> None:
    for _ in range(10):
        group = await make(staff)
        await gather(staff.put(f"/customer-groups/{group}/members/{ada.id}"), staff.delete(f"/customer-groups/{group}"))
        while await jobs.forget_deleted(service.runtime):
            pass
        assert (await published(service, ada.id))[-1] == []


async def test_changes_are_in_the_audit_log(service: Served, staff: Caller, ada: Person) -> None:
    group = await make(staff)
    await staff.put(f"/customer-groups/{group}/members/{ada.id}")
    await staff.delete(f"/customer-groups/{group}/members/{ada.id}")
    await staff.patch(f"/customer-groups/{group}", json={"name": "Trade"})
    await staff.delete(f"/customer-groups/{group}")
    log = await service.caller(role="Admin").get("/audit-log", params={"actor_id": str(staff.user_id)})
    entries = log.json()["items"][::-1]
    assert [entry["action"].removeprefix("customer-group.") for entry in entries] == [
        "created", "member-added", "member-removed", "changed", "deleted",
    ]  # fmt: skip
    assert {entry["facts"]["group"] for entry in entries} == {group}
    assert [entry["subject_id"] for entry in entries] == [None, str(ada.id), str(ada.id), None, None]
    assert entries[3]["changes"] == {"name": ["Wholesale", "Trade"]}


async def test_tokens_do_not_carry_groups(service: Served, staff: Caller, ada: Person) -> None:
    group = await make(staff)
    await staff.put(f"/customer-groups/{group}/members/{ada.id}")
    claims = jwt.get_unverified_claims((await ada.sign_in()).tokens["access_token"])
    assert group not in str(claims)


async def test_groups_are_recovered_with_their_members_and_without_their_names(
    service: Served, staff: Caller, ada: Person
) -> None:
    group = await make(staff)
    await staff.put(f"/customer-groups/{group}/members/{ada.id}")
    async with restored_database("user_service") as restored:
        journal = await recover(service.runtime, restored)
        async with restored.connection() as connection:
            assert await connection.fetchval("SELECT groups FROM accounts WHERE id = $1", ada.id) == [UUID(group)]
            assert await connection.fetchval("SELECT name FROM customer_groups") == f"recovered {group}"
    assert journal.lists["customer groups whose names are lost: rename them"] == [group]
