"""Notes and tags are for staff: customers, events and the order's version know nothing of them."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.users import UserErased
from order_service.tests.conftest import Shop

NOTE, TAGS = "known for chargebacks", ["gift", "VIP customer"]


async def put(shop: Shop, order_id: UUID, tags: list[Any], if_match: str | None = None) -> httpx.Response:
    headers = {"If-Match": if_match} if if_match else {}
    return await shop.staff.put(f"/orders/{order_id}/tags", json={"tags": tags}, headers=headers)


async def note(shop: Shop, order_id: UUID, text: str = NOTE) -> dict[str, Any]:
    answer = await shop.staff.post(f"/orders/{order_id}/notes", json={"text": text})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def tags(shop: Shop, order_id: UUID) -> list[str]:
    found: list[str] = (await shop.staff.get(f"/orders/{order_id}/tags")).json()["tags"]
    return found


async def test_orders_are_found_by_their_tags(shop: Shop) -> None:
    order_id, other = await shop.placed(), await shop.placed()
    assert (await put(shop, order_id, [*TAGS, " GIFT "])).json() == {"tags": ["gift", "vip customer"]}
    await put(shop, other, ["gifts"])
    for tag in ("gift", " VIP Customer"):
        found = (await shop.staff.get("/orders", params={"tag": tag})).json()["items"]
        assert [each["id"] for each in found] == [str(order_id)]
    await put(shop, order_id, [])
    assert (await shop.staff.get("/orders", params={"tag": "gift"})).json()["items"] == []


async def test_a_change_of_other_tags_than_were_read_is_rejected(shop: Shop) -> None:
    order_id = await shop.placed()
    read = (await shop.staff.get(f"/orders/{order_id}/tags")).headers["ETag"]
    assert (await put(shop, order_id, ["first"], read)).status_code == 200
    assert (await put(shop, order_id, ["second"], read)).status_code == 412
    assert await tags(shop, order_id) == ["first"]


async def test_of_many_changes_at_once_one_is_made(shop: Shop) -> None:
    order_id = await shop.placed()
    read = (await shop.staff.get(f"/orders/{order_id}/tags")).headers["ETag"]
    answers = await asyncio.gather(*(put(shop, order_id, [f"tag {n}"], read) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]


async def test_notes_are_listed_with_their_author(shop: Shop) -> None:
    order_id = await shop.placed()
    first, second = await note(shop, order_id), await note(shop, order_id, "and another")
    assert (first["author_id"], first["text"]) == (str(shop.staff.user_id), NOTE)
    page = (await shop.staff.get(f"/orders/{order_id}/notes", params={"limit": 1})).json()
    rest = (await shop.staff.get(f"/orders/{order_id}/notes", params={"cursor": page["next"]})).json()
    assert [page["items"], rest["items"]] == [[second], [first]], "the newest first"


async def test_customers_see_neither_and_nothing_of_theirs_changes(shop: Shop) -> None:
    order_id = await shop.placed()
    before = await shop.customer.get(f"/orders/{order_id}")
    await put(shop, order_id, TAGS)
    await note(shop, order_id)
    after = await shop.customer.get(f"/orders/{order_id}")
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])
    assert (await shop.customer.get(f"/orders/{order_id}/history")).json()["items"][1:] == []
    for path in ("tags", "notes"):
        assert (await shop.customer.get(f"/orders/{order_id}/{path}")).status_code == 403
    for text in (NOTE, "gift"):
        assert text not in "".join(event.model_dump_json() for event in await shop.served.events())
        assert text not in (await shop.customer.get("/me/export")).text


async def test_both_are_deleted_when_the_account_is_erased(shop: Shop) -> None:
    order_id = await shop.placed()
    await put(shop, order_id, TAGS)
    await note(shop, order_id)
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    assert await tags(shop, order_id) == []
    assert (await shop.staff.get(f"/orders/{order_id}/notes")).json()["items"] == []
    log = "SELECT count(*) FROM audit_log WHERE changes::text LIKE $1"
    assert await shop.execute(log, f"%{NOTE}%") == await shop.execute(log, "%vip customer%") == 0


async def test_staffs_changes_are_in_the_audit_log(shop: Shop) -> None:
    order_id = await shop.placed()
    await put(shop, order_id, TAGS)
    await note(shop, order_id)
    resources = "SELECT array_agg(DISTINCT resource ORDER BY resource) FROM audit_log WHERE actor_id = $1"
    assert await shop.execute(resources, shop.staff.user_id) == ["order-note", "order-tags"]


@pytest.mark.parametrize("wrong", [["  "], ["x" * 51], ["x"] * 21, [1], "gift"])
async def test_wrong_tags_are_rejected(shop: Shop, wrong: Any) -> None:
    order_id = await shop.placed()
    assert (await put(shop, order_id, wrong)).status_code == 422
    assert (await put(shop, uuid4(), ["gift"])).status_code == 404
