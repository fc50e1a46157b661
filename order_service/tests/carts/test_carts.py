"""Carts over HTTP."""

from asyncio import gather
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.stock_levels import StockChanged
from order_service.carts import use_cases
from order_service.orders import placing_read_queries
from order_service.tests.conftest import Shop, scheduled


async def test_a_cart_shows_todays_price_and_what_is_available(shop: Shop) -> None:
    product_id = await shop.product(prices=[scheduled(1000), scheduled(900, min_quantity=5)], sku="MUG-1")
    await shop.deliver(
        StockChanged(product_id=product_id, version=1, on_hand=9, reserved=2, available=7, warehouses=[])
    )
    cart = await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
    assert cart.status_code == 200, cart.text
    [item] = cart.json()["items"]
    assert (item["sku"], item["quantity"], item["available"], item["orderable"]) == ("MUG-1", 2, 7, True)
    assert item["total"] == cart.json()["total"] == {"amount": 2000, "currency": "GBP"}

    changed = await shop.customer.patch(f"/cart/items/{product_id}", json={"quantity": 5})
    assert changed.json()["total"] == {"amount": 4500, "currency": "GBP"}

    await shop.product(product_id=product_id, version=2, status="archived")
    [item] = (await shop.customer.get("/cart")).json()["items"]
    assert (item["orderable"], item["unit_price"]) == (False, None)


async def test_items_are_changed_and_removed(shop: Shop) -> None:
    first, second = await shop.product(), await shop.product()
    assert (await shop.customer.patch(f"/cart/items/{first}", json={"quantity": 1})).status_code == 404
    for product_id in (first, second):
        await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
    assert (await shop.customer.delete(f"/cart/items/{first}")).status_code == 204
    assert (await shop.customer.delete(f"/cart/items/{first}")).status_code == 404
    assert [item["product_id"] for item in (await shop.customer.get("/cart")).json()["items"]] == [str(second)]
    assert (await shop.staff.get("/cart")).json() == {
        "version": 0,
        "items": [],
        "codes": [],
        "total": None,
        "quote": None,
        "problems": [],
    }
    assert (await shop.customer.delete("/cart")).status_code == 204
    assert (await shop.customer.get("/cart")).json()["items"] == []


async def test_a_product_that_cannot_be_ordered_cannot_be_added(shop: Shop) -> None:
    for product_id, reason in ((uuid4(), "unknown"), (await shop.product(status="draft"), "draft")):
        answer = await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-unavailable")
        assert answer.json()["lines"][0]["reason"] == reason
    wrong = await shop.customer.put(f"/cart/items/{uuid4()}", json={"quantity": 0})
    assert wrong.status_code == 422


async def test_a_cart_is_ordered_and_empty_afterwards(shop: Shop) -> None:
    first, second = await shop.product(1000), await shop.product(1)
    await shop.customer.put(f"/cart/items/{first}", json={"quantity": 2})
    await shop.customer.put(f"/cart/items/{second}", json={"quantity": 5})
    answer = await shop.place(from_cart=True, key="the-key")
    assert answer.status_code == 201, answer.text
    assert [(line["product_id"], line["quantity"]) for line in answer.json()["lines"]] == [
        (str(first), 2), (str(second), 5),
    ]  # fmt: skip
    assert answer.json()["total"]["amount"] == 2005
    assert (await shop.customer.get("/cart")).json()["items"] == []
    assert (await shop.place(from_cart=True, key="the-key")).content == answer.content
    empty = await shop.place(from_cart=True)
    assert (empty.status_code, empty.json()["type"]) == (409, "/problems/cart-empty")
    assert await shop.status(UUID(answer.json()["id"])) == "pending"


async def test_a_cart_with_an_archived_product_is_not_ordered(shop: Shop) -> None:
    product_id = await shop.product()
    await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
    await shop.product(product_id=product_id, version=2, status="archived")
    answer = await shop.place(from_cart=True)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-unavailable")
    assert len((await shop.customer.get("/cart")).json()["items"]) == 1


async def test_a_cart_that_is_ordered_twice_at_once_gives_one_order(shop: Shop) -> None:
    """Two browser tabs send different keys. Many rounds, since the order of the requests varies."""
    product_id = await shop.product()
    for placed in range(1, 31):
        await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
        answers = await gather(*(shop.place(from_cart=True) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert {_type(answer) for answer in answers if answer.status_code == 409} == {"/problems/cart-empty"}
        assert await shop.execute("SELECT count(*) FROM orders") == placed
        assert await shop.execute("SELECT count(*) FROM idempotency_keys") == placed
        assert await shop.execute("SELECT count(*) FROM outbox") == 2 * placed


async def test_concurrent_requests_with_one_key_order_a_cart_once_and_get_the_same_response(shop: Shop) -> None:
    product_id = await shop.product()
    for _ in range(20):
        await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
        key = str(uuid4())
        answers = await gather(*(shop.place(from_cart=True, key=key) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
    assert await shop.execute("SELECT count(*) FROM orders") == 20


async def test_a_cart_that_changes_between_reading_and_placing_is_not_ordered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await shop.product(), await shop.product()
    changes = {
        "added": lambda: shop.customer.put(f"/cart/items/{second}", json={"quantity": 1}),
        "changed": lambda: shop.customer.patch(f"/cart/items/{first}", json={"quantity": 7}),
        "removed": lambda: shop.customer.delete(f"/cart/items/{second}"),
        "the same again": lambda: shop.customer.put(f"/cart/items/{first}", json={"quantity": 7}),
    }
    await shop.customer.put(f"/cart/items/{first}", json={"quantity": 2})
    read = placing_read_queries.read_cart
    for name, change in changes.items():

        async def read_then_changed(*arguments: Any, change: Any = change) -> Any:
            found = await read(*arguments)
            assert (await change()).is_success
            return found

        with monkeypatch.context() as patched:
            patched.setattr(placing_read_queries, "read_cart", read_then_changed)
            answer = await shop.place(from_cart=True)
        assert (answer.status_code, _type(answer)) == (409, "/problems/cart-changed"), name
        assert answer.json()["version"] == (await shop.customer.get("/cart")).json()["version"]
    for table in ("orders", "order_lines", "order_history", "idempotency_keys", "outbox"):
        assert await shop.execute(f"SELECT count(*) FROM {table}") == 0, table
    assert (await shop.place(from_cart=True)).json()["lines"][0]["quantity"] == 7


async def test_no_item_is_lost_or_ordered_twice_while_the_cart_changes(shop: Shop) -> None:
    """Each product is put in once, with a number of its own, while others order the cart all the time."""
    product_ids = [await shop.product(sku=f"S-{number}") for number in range(40)]
    lines: list[tuple[str, int]] = []
    done = False

    async def order() -> None:
        while not done:
            answer = await shop.place(from_cart=True)
            if answer.status_code == 201:
                lines.extend((line["product_id"], line["quantity"]) for line in answer.json()["lines"])
            else:
                assert _type(answer) in ("/problems/cart-empty", "/problems/cart-changed"), answer.text

    async def fill() -> None:
        nonlocal done
        for number, product_id in enumerate(product_ids, 1):
            assert (await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": number})).is_success
        done = True

    await gather(fill(), *(order() for _ in range(3)))
    rest = (await shop.customer.get("/cart")).json()["items"]
    lines.extend((item["product_id"], item["quantity"]) for item in rest)
    assert sorted(lines) == sorted((str(id), number) for number, id in enumerate(product_ids, 1))


async def test_a_cart_never_holds_more_than_an_order_can_take(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_cases, "MAX_LINES", 3)
    product_ids = [await shop.product() for _ in range(10)]
    answers = await gather(*(shop.customer.put(f"/cart/items/{id}", json={"quantity": 1}) for id in product_ids))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7


async def test_every_change_of_a_cart_changes_its_version(shop: Shop) -> None:
    product_id, seen = await shop.product(), []

    async def look() -> None:
        answer = await shop.customer.get("/cart")
        assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
        seen.append(answer.json()["version"])

    await look()
    put = await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
    assert put.headers["ETag"] == f'"{put.json()["version"]}"'
    await look()
    assert seen[-1] == put.json()["version"]
    await shop.customer.patch(f"/cart/items/{product_id}", json={"quantity": 3})
    await look()
    await shop.place(from_cart=True)
    await look()
    await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 3})
    await look()
    await shop.customer.delete(f"/cart/items/{product_id}")
    await look()
    assert seen == sorted(set(seen))
    assert (await shop.customer.delete(f"/cart/items/{product_id}")).status_code == 404
    await look()
    assert seen[-1] == seen[-2]


async def test_a_cart_is_ordered_only_as_it_was_shown(shop: Shop) -> None:
    product_id = await shop.product(1000)
    shown = (await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})).json()
    seen = {"cart_version": shown["version"], "expected_total": shown["total"]}

    await shop.product(1100, product_id=product_id, version=2)
    dearer = await shop.place(from_cart=True, **seen)
    assert (dearer.status_code, _type(dearer)) == (409, "/problems/price-changed")
    assert dearer.json()["total"] == {"amount": 2200, "currency": "GBP"}

    await shop.customer.patch(f"/cart/items/{product_id}", json={"quantity": 1})
    changed = await shop.place(from_cart=True, **seen)
    assert (changed.status_code, _type(changed)) == (409, "/problems/cart-changed")
    assert changed.json()["version"] == shown["version"] + 1

    shown = (await shop.customer.get("/cart")).json()
    seen = {"cart_version": shown["version"], "expected_total": shown["total"]}
    assert (await shop.place(from_cart=True, key="key", **seen)).status_code == 201
    assert (await shop.place(from_cart=True, key="key", **seen)).status_code == 201
    assert _type(await shop.place(from_cart=True, **seen)) == "/problems/cart-empty"


def _type(answer: httpx.Response) -> str:
    return str(answer.json()["type"])
