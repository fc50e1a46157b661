"""Promotions: what may be created, what may change, and how they begin and end."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from order_service.promotions import models
from order_service.rules import queries as rules
from order_service.tests.conftest import Shop
from order_service.tests.promotions.conftest import activated, create, created, redeem
from service_kit.clock import utcnow


async def test_a_promotion_is_a_draft_until_it_is_activated(shop: Shop) -> None:
    found = await created(shop, limit=10)
    assert (found["status"], found["code"], found["limit"], found["version"]) == ("draft", "WELCOME10", 10, 1)
    path = f"/promotions/{found['id']}"
    assert (await shop.staff.post(f"{path}/end")).json()["type"] == "/problems/promotion-not-active"
    async with shop.runtime.database.connection() as connection:
        assert (await rules.load(connection, None)).promotions == ()
        active = await shop.staff.post(f"{path}/activate", headers={"If-Match": '"1"'})
        assert (active.json()["status"], active.headers["ETag"]) == ("active", '"2"')
        [loaded] = (await rules.load(connection, None)).promotions
        assert (str(loaded.id), loaded.use_limit, loaded.automatic) == (found["id"], 10, False)
        again = await shop.staff.post(f"{path}/activate")
        assert (again.status_code, again.headers["ETag"]) == (200, '"2"')
        ended = await shop.staff.post(f"{path}/end")
        assert (ended.json()["status"], ended.json()["ended_at"] is not None) == ("ended", True)
        assert (await rules.load(connection, None)).promotions == ()
    assert (await shop.staff.post(f"{path}/end")).headers["ETag"] == ended.headers["ETag"]
    assert (await shop.staff.post(f"{path}/activate")).json()["type"] == "/problems/promotion-ended"
    assert (await shop.staff.patch(path, json={"name": "x"})).json()["type"] == "/problems/promotion-ended"
    assert (await shop.staff.delete(path)).json()["type"] == "/problems/promotion-not-draft"


@pytest.mark.parametrize(
    ("effect", "stage"),
    [
        ({"percent": {"rate": "0.15", "most": {"GBP": 1000}}}, "order"),
        ({"percent": {"rate": "1.00", "most": {}}}, "lines"),
        ({"amount": {"GBP": 500, "EUR": 600}, "each": True}, "lines"),
        ({"amount": {"JPY": 500}, "each": False}, "shipping"),
        ({"free_shipping": {"methods": ["standard"], "most": {"GBP": 495}}}, "shipping"),
        ({"buy_get": {"buy": 2, "get": 1, "rate": "0.50", "most_times": 3,
                      "get_scope": {"product_ids": [], "category_ids": [str(uuid4())], "family_ids": [],
                                    "exclude_product_ids": []}}},
         "lines"),
        ({"buy_get": {"buy": 1, "get": 1, "rate": "0.333333", "get_scope": None, "most_times": None}}, "lines"),
    ],
)  # fmt: skip
async def test_every_effect_is_returned_as_it_was_sent_and_can_be_applied(shop: Shop, effect: Any, stage: str) -> None:
    scope = {"product_ids": [str(uuid4())], "category_ids": [], "family_ids": [str(uuid4())], "exclude_product_ids": []}
    conditions = {
        "minimum": {"GBP": 2500}, "pieces": 2, "countries": ["GB"], "customer_groups": [str(uuid4())],
        "first_order": True,
    }  # fmt: skip
    body = {"effect": effect, "stage": stage, "scope": scope, "conditions": conditions, "priority": 3, "stops": True}
    found = await activated(shop, **body)
    assert {name: found[name] for name in body} == body
    assert (await shop.staff.get(f"/promotions/{found['id']}")).json() == found
    async with shop.runtime.database.connection() as connection:
        [loaded] = (await rules.load(connection, None)).promotions
    assert loaded.effect.kind in effect
    assert loaded.conditions.minimum == {"GBP": 2500}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"effect": {}}, "exactly one"),
        ({"effect": {"percent": {"rate": "0.10"}, "free_shipping": {}}}, "exactly one"),
        ({"effect": {"percent": {"rate": "0"}}}, "pattern"),
        ({"effect": {"percent": {"rate": "0.000"}}}, "pattern"),
        ({"effect": {"percent": {"rate": "1.01"}}}, "pattern"),
        ({"effect": {"percent": {"rate": 0.1}}}, "string"),
        ({"effect": {"amount": {}}}, "at least one currency"),
        ({"effect": {"amount": {"GBP": 0}}}, "greater than 0"),
        ({"effect": {"amount": {"KWD": 1005}}}, "multiples of 10"),
        ({"effect": {"amount": {"GBP": 1}, "each": True}}, "must be lines"),
        ({"effect": {"free_shipping": {}}}, "must be shipping"),
        ({"effect": {"buy_get": {"buy": 1, "get": 1, "rate": "1.00"}}}, "must be lines"),
        ({"effect": {"buy_get": {"buy": 0, "get": 1, "rate": "1.00"}}, "stage": "lines"}, "greater than or equal to 1"),
        ({"automatic": True}, "code"),
        ({"automatic": True, "code": None, "limit": 5}, "wait for its counter"),
        ({"automatic": True, "code": None, "limit_per_customer": 1}, "wait for its counter"),
        ({"code": "A B"}, "pattern"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"starts_at": "2027-02-01T00:00:00Z", "ends_at": "2027-02-01T00:00:00Z"}, "after starts_at"),
    ],
)
async def test_a_promotion_that_could_not_work_is_rejected(shop: Shop, body: Any, word: str) -> None:
    answer = await create(shop, **body)
    assert answer.status_code == 422, answer.text
    assert word in answer.text


async def test_a_draft_is_changed_as_a_whole_and_can_be_deleted(shop: Shop) -> None:
    found = await created(shop, limit=10)
    path = f"/promotions/{found['id']}"
    body = {"stage": "lines", "effect": {"percent": {"rate": "0.20"}}, "code": "spring", "limit": None}
    changed = await shop.staff.patch(path, json=body, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["code"], changed.json()["limit"], changed.headers["ETag"]) == ("SPRING", None, '"2"')
    assert (await shop.staff.patch(path, json={"name": "x"}, headers={"If-Match": '"1"'})).status_code == 412
    wrong = await shop.staff.patch(path, json={"effect": {"free_shipping": {}}})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "stage")
    assert (await shop.staff.patch(path, json={"name": None})).status_code == 422
    await created(shop, name="Another")  # since WELCOME10 is free again
    assert (await shop.staff.delete(path)).status_code == 204
    assert (await shop.staff.get(path)).status_code == 404
    await created(shop, name="A third", code="Spring")


async def test_an_active_promotion_keeps_what_customers_were_promised(shop: Shop) -> None:
    found = await activated(shop, limit=10)
    path = f"/promotions/{found['id']}"
    fixed: dict[str, Any] = {
        "effect": {"percent": {"rate": "0.20"}}, "scope": {"product_ids": [str(uuid4())]}, "conditions": {"pieces": 2},
        "stage": "lines", "code": "OTHER", "stops": True, "starts_at": "2026-01-01T00:00:00Z", "limit": None,
        "limit_per_customer": 1,
    }  # fmt: skip
    for name, value in fixed.items():
        answer = await shop.staff.patch(path, json={name: value})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/promotion-active"), name
        assert answer.json()["fields"] == [name]
    allowed = {"name": "Hello", "ends_at": "2100-01-01T00:00:00Z", "limit": 20, "priority": 5, "code": "WELCOME10"}
    answer = await shop.staff.patch(path, json=allowed)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in allowed} == allowed


async def test_a_limit_is_never_below_what_was_used(shop: Shop) -> None:
    found = await activated(shop, limit=10, limit_per_customer=2)
    path = f"/promotions/{found['id']}"
    for _ in range(3):
        await redeem(shop, found["id"])
    rejected = await shop.staff.patch(path, json={"limit": 2})
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/limit-below-used")
    assert (await shop.staff.get(path)).json()["limit"] == 10
    assert (await shop.staff.patch(path, json={"limit": 3, "limit_per_customer": 1})).json()["limit"] == 3
    uses = (await shop.staff.get(f"{path}/uses")).json()
    assert uses == {"used": 3, "released": 0, "limit": 3, "left": 0, "codes": 1}


async def test_a_limit_is_lowered_while_orders_use_it(shop: Shop) -> None:
    """Whatever the sequence is: no more uses than the limit, and no limit below the uses."""
    found = await activated(shop, limit=10)
    take = "UPDATE promotion_uses SET used = used + 1 WHERE promotion_id = $1 AND used < most RETURNING used"
    lower = shop.staff.patch(f"/promotions/{found['id']}", json={"limit": 5})
    answer, *taken = await asyncio.gather(lower, *(shop.execute(take, UUID(found["id"])) for _ in range(9)))
    used, most = sum(each is not None for each in taken), 5 if answer.status_code == 200 else 10
    assert answer.status_code in (200, 409)
    assert used <= most
    async with shop.runtime.database.connection() as connection:
        row = await connection.fetchrow("SELECT used, most FROM promotion_uses")
    assert tuple(row) == (used, most)


async def test_a_code_belongs_to_one_promotion(shop: Shop) -> None:
    answers = await asyncio.gather(*(create(shop, code=code) for code in ("Sale", "SALE", "sale", "sAlE")))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
    assert {each.json()["type"] for each in answers if each.status_code == 409} == {"/problems/code-taken"}
    other = await created(shop, code="OTHER")
    taken = await shop.staff.patch(f"/promotions/{other['id']}", json={"code": "sale"})
    assert taken.json()["type"] == "/problems/code-taken"
    assert (await shop.staff.get(f"/promotions/{other['id']}/codes")).json()["items"] == [
        {"code": "OTHER", "used": 0, "limit": None}
    ]


async def test_a_promotion_whose_time_is_over_does_not_begin(shop: Shop) -> None:
    found = await created(shop, ends_at=(utcnow() - timedelta(seconds=1)).isoformat())
    answer = await shop.staff.post(f"/promotions/{found['id']}/activate")
    assert answer.json()["type"] == "/problems/promotion-ended"


async def test_only_so_many_are_active(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted under a lock, so that two that begin at once are not both the last one."""
    monkeypatch.setattr("order_service.promotions.use_cases.MAX_LIVE", 3)
    drafts = [await created(shop, code=None) for _ in range(6)]
    answers = await asyncio.gather(*(shop.staff.post(f"/promotions/{each['id']}/activate") for each in drafts))
    assert sorted(each.status_code for each in answers) == [200] * 3 + [409] * 3
    assert models.MAX_LIVE == 500


async def test_lists_are_by_status_and_in_pages(shop: Shop) -> None:
    active, drafts = await activated(shop), [await created(shop, code=None) for _ in range(3)]
    found = (await shop.staff.get("/promotions", params={"status": "active"})).json()["items"]
    assert [each["id"] for each in found] == [active["id"]]
    first = (await shop.staff.get("/promotions", params={"status": "draft", "limit": 2})).json()
    second = (await shop.staff.get("/promotions", params={"status": "draft", "cursor": first["next"]})).json()
    listed = [each["id"] for each in first["items"] + second["items"]]
    assert listed == [each["id"] for each in reversed(drafts)]
    assert (await shop.staff.get("/promotions", params={"status": "over"})).status_code == 422


async def test_customers_may_neither_see_nor_change_them(shop: Shop) -> None:
    found = await created(shop)
    path = f"/promotions/{found['id']}"
    for path_of_all in ("/promotions", path, f"{path}/codes", f"{path}/codes.csv", f"{path}/redemptions"):
        assert (await shop.customer.get(path_of_all)).status_code == 403
    assert (await shop.customer.post(f"{path}/activate")).status_code == 403
