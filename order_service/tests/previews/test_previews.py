"""Previews of promotions on carts and past orders."""

from typing import Any
from uuid import UUID, uuid4

import httpx

from order_service.previews import use_cases
from order_service.previews.schemas import PreviewIn
from order_service.tests.conftest import Shop, scheduled
from order_service.tests.promotions.conftest import activated, created, redeem
from service_kit.database import Statement

HALF = {"name": "Half", "stage": "order", "effect": {"percent": {"rate": "0.5"}}, "code": "HALF"}


async def preview(shop: Shop, **body: Any) -> httpx.Response:
    return await shop.staff.post("/promotions/preview", json={"promotion": HALF, **body})


async def previewed(shop: Shop, **body: Any) -> Any:
    answer = await preview(shop, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def lines_of(*product_ids: UUID, quantity: int = 2) -> list[dict[str, Any]]:
    return [{"product_id": str(id), "quantity": quantity} for id in product_ids]


async def test_a_cart_is_priced_without_and_with_the_promotion(shop: Shop) -> None:
    """With shipping, which becomes due if the goods no longer reach the threshold."""
    mug = await shop.product()
    zone = (await shop.staff.post("/shipping-zones", json={"name": "World", "countries": []})).json()
    method = {
        "code": "post", "name": "Post", "zone_id": zone["id"], "kind": "delivery", "min_days": 1, "max_days": 2,
        "rates": [{"currency": "GBP", "by": "total", "from": 0, "amount": 399}], "free_from": {"GBP": 2000},
    }  # fmt: skip
    assert (await shop.staff.post("/shipping-methods", json=method)).status_code == 201
    found = await previewed(shop, lines=lines_of(mug))
    item = {"order_id": None, "number": None, "currency": "GBP", "reason": None}
    assert found["items"] == [{**item, "before": 2000, "after": 1000, "off": 1000}]
    found = await previewed(shop, lines=lines_of(mug), ship_to={"country": "FR"})
    assert found["items"] == [{**item, "before": 2000, "after": 1399, "off": 601}]
    assert found["sums"] == [{"currency": "GBP", "orders": 1, "reduced": 1, "before": 2000, "after": 1399, "off": 601}]


async def test_the_last_orders_are_priced_as_they_were_placed(shop: Shop) -> None:
    mug = await shop.product(1000)
    first = UUID((await shop.place(mug)).json()["id"])
    await shop.product(9000, product_id=mug, version=2, status="archived")
    euros = await shop.product(prices=[scheduled(700, currency="EUR")])
    second = UUID((await shop.place(euros)).json()["id"])
    cancelled = await shop.accepted()
    assert (await shop.customer.post(f"/orders/{cancelled}/cancel", json={})).status_code == 200
    found = await previewed(shop, last_orders=100)
    assert [(each["order_id"], each["before"], each["off"]) for each in found["items"]] == [
        (str(second), 1400, 700), (str(first), 2000, 1000),
    ]  # fmt: skip
    assert [(each["currency"], each["orders"], each["off"]) for each in found["sums"]] == [
        ("EUR", 1, 700), ("GBP", 1, 1000),
    ]  # fmt: skip
    assert len((await previewed(shop, last_orders=1))["items"]) == 1
    only_first = {**HALF, "conditions": {"first_order": True}}
    assert [each["reason"] for each in (await previewed(shop, promotion=only_first, last_orders=9))["items"]] == [
        "not-for-you", None,
    ]  # fmt: skip


async def test_it_says_why_nothing_is_taken_off(shop: Shop) -> None:
    mug = await shop.product()
    for changes, reason in (
        ({"scope": {"product_ids": [str(uuid4())]}}, "not-for-these"),
        ({"conditions": {"minimum": {"GBP": 2001}}}, "minimum"),
        ({"conditions": {"minimum": {"EUR": 1}}}, "currency"),
        ({"conditions": {"countries": ["DE"]}}, "not-for-you"),
        ({"starts_at": "2100-01-01T00:00:00Z"}, None),
    ):
        found = await previewed(shop, promotion={**HALF, **changes}, lines=lines_of(mug), ship_to={"country": "GB"})
        assert (found["items"][0]["reason"], found["sums"][0]["reduced"]) == (reason, int(reason is None)), changes
    group = str(uuid4())
    body = {**HALF, "conditions": {"customer_groups": [group]}}
    assert (await previewed(shop, promotion=body, lines=lines_of(mug)))["items"][0]["reason"] == "not-for-you"
    found = await previewed(shop, promotion=body, lines=lines_of(mug), customer_groups=[group])
    assert found["items"][0]["off"] == 1000


async def test_other_promotions_apply_as_they_do_to_orders(shop: Shop) -> None:
    """Automatic ones do, and those that a past order was placed with; a promotion is not compared with itself."""
    used = await activated(shop)
    await redeem(shop, used["id"])
    assert (await previewed(shop, last_orders=1))["items"][0]["before"] == 1500
    automatic = {"effect": {"amount": {"GBP": 600}}, "code": None, "automatic": True, "priority": 9}
    other = await activated(shop, **automatic)
    found = (await previewed(shop, last_orders=1))["items"][0]
    assert (found["before"], found["after"]) == (900, 450)
    for promotion_id, off in ((other["id"], 600), (used["id"], 500)):
        answer = await shop.staff.post("/promotions/preview", json={"promotion_id": promotion_id, "last_orders": 1})
        assert [each["off"] for each in answer.json()["items"]] == [off]
    draft = await created(shop, **{**automatic, "stops": True, "priority": 10})
    body = {"promotion_id": draft["id"], "lines": lines_of(await shop.product())}
    assert (await shop.staff.post("/promotions/preview", json=body)).json()["items"][0]["off"] == 0


async def test_a_preview_writes_nothing(shop: Shop) -> None:
    """PostgreSQL would reject it."""
    await shop.placed()
    wanted = PreviewIn.model_validate({"promotion": HALF, "last_orders": 1})
    async with shop.runtime.database.session() as tx:
        await Statement("SET TRANSACTION READ ONLY").fetch(tx)
        found = await use_cases.preview(tx, wanted, "GBP")
        assert not tx.new
    assert found.sums[0].off == 1000


async def test_a_preview_of_one_promotion_on_one_thing(shop: Shop) -> None:
    mug = await shop.product()
    for body in (
        {},
        {"lines": lines_of(mug), "last_orders": 1},
        {"last_orders": 101},
        {"last_orders": 1, "currency": "GBP"},
        {"last_orders": 1, "promotion_id": str(uuid4())},
        {"last_orders": 1, "promotion": {**HALF, "effect": {"free_shipping": {}}}},
    ):
        assert (await preview(shop, **body)).status_code == 422, body
    assert (await preview(shop, lines=lines_of(uuid4()))).json()["type"] == "/problems/product-unavailable"
    unknown = {"promotion_id": str(uuid4()), "last_orders": 1}
    assert (await shop.staff.post("/promotions/preview", json=unknown)).status_code == 404
    assert (
        await shop.customer.post("/promotions/preview", json={"promotion": HALF, "last_orders": 1})
    ).status_code == 403
