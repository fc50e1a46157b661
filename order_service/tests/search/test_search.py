"""Staff find orders by what they know of them; customers only their own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.users import UserErased
from order_service.search.jobs import add_orders
from order_service.tests.conftest import SHIP_TO, Shop
from order_service.tests.search.conftest import Searches
from service_kit.clock import utcnow


async def test_by_the_whole_email_address_in_any_case(searches: Searches) -> None:
    ada, bob = await searches.customer("ada@example.org", "Ada"), await searches.customer("bob@example.org", "Bob")
    wanted = [await searches.order(ada) for _ in range(3)]
    await searches.order(bob)
    for spelling in ("ada@example.org", "  ADA@Example.org ", "ａda@example.org"):
        assert await searches.found(email=spelling) == wanted
    for other in ("ada@example", "%", "nobody@example.org"):
        assert await searches.found(email=other) == []


async def test_by_part_of_the_recipients_or_the_accounts_name(searches: Searches) -> None:
    ada, bob = (
        await searches.customer("ada@example.org", "Ada Lovelace"),
        await searches.customer("b@example.org", "Bob"),
    )
    by_account = await searches.order(ada, name="The office")
    by_recipient = await searches.order(bob, name="Zoë Çelik-Lovelace")
    await searches.order(bob, name="100% Mug_")
    assert await searches.found(name="LOVE") == [by_account, by_recipient]
    assert await searches.found(name="zoe celik") == [by_recipient]
    assert await searches.found(name="%") != [by_account]
    assert await searches.found(name="a%e") == []


async def test_by_product_and_by_sku(searches: Searches) -> None:
    mug, plate = await searches.shop.product(sku="MUG"), await searches.shop.product(sku="PLATE")
    wanted = [await searches.order(product=mug) for _ in range(3)]
    both = str((await searches.shop.place(mug, plate, mug)).json()["id"])
    await searches.order(product=plate)
    assert await searches.found(product_id=mug) == [*wanted, both], "once, though the mug is in two of its lines"
    assert await searches.found(sku="MUG") == [*wanted, both]
    assert await searches.found(sku="MUG", product_id=plate) == [both]
    assert await searches.found(sku="CUP") == await searches.found(product_id=uuid4()) == []


async def test_by_time_with_its_offset_or_by_day_in_utc(searches: Searches) -> None:
    orders = [await searches.order() for _ in range(3)]
    times = [await searches.shop.execute("SELECT created_at FROM orders WHERE id = $1", UUID(id)) for id in orders]
    east = (times[1] + timedelta(hours=5)).replace(tzinfo=None).isoformat() + "+05:00"
    assert await searches.found(placed_from=east) == orders[1:]
    assert await searches.found(placed_to=east) == orders[:1], "an instant is the first that is left out"
    assert await searches.found(placed_from=times[1].isoformat(), placed_to=times[2].isoformat()) == orders[1:2]
    day, before = utcnow().date(), utcnow().date() - timedelta(days=1)
    assert await searches.found(placed_from=day, placed_to=day) == orders, "a day is included as a whole"
    assert await searches.found(placed_to=before) == []
    assert await searches.found(placed_from="2000-01-01", placed_to="2199-12-31") == orders


async def test_by_amount_in_its_currency(searches: Searches) -> None:
    cheap = await searches.order(product=await searches.shop.product(500))
    dear = await searches.order(product=await searches.shop.product(5000))
    assert await searches.found(currency="GBP", total_from=1000, total_to=1000) == [cheap]
    assert await searches.found(currency="GBP", total_from=1001) == [dear]
    assert await searches.found(currency="EUR", total_from=1) == []
    answer = await searches.shop.staff.get("/orders", params={"total_to": 5})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/currency-needed")


async def test_by_country_as_the_address_is_now(searches: Searches) -> None:
    moved, stays = await searches.order(country="FR"), await searches.order(country="FR")
    assert await searches.found(country="FR") == [moved, stays]
    await searches.shop.accept(UUID(moved))
    body = {"ship_to": {**SHIP_TO, "country": "DE", "name": "Grace Hopper"}}
    assert (await searches.shop.customer.patch(f"/orders/{moved}", json=body)).status_code == 200
    assert await searches.found(country="FR") == [stays]
    assert await searches.found(country="DE", name="hopper") == [moved]


async def test_by_status_and_payment_status(searches: Searches) -> None:
    unpaid, paid = await searches.order(), await searches.order()
    await searches.shop.accept(UUID(paid))
    await searches.shop.capture(UUID(paid), 2000)
    assert await searches.found(payment_status="paid") == [paid]
    assert await searches.found(payment_status=["paid", "unpaid"]) == [unpaid, paid]
    assert await searches.found(payment_status="unpaid", status="paid") == []
    assert await searches.found(status=["pending", "paid"], payment_status="unpaid") == [unpaid]


async def test_all_filters_together(searches: Searches) -> None:
    ada, mug = await searches.customer("ada@example.org", "Ada"), await searches.shop.product(sku="MUG")
    wanted = await searches.order(ada, mug, country="FR", name="Grace")
    await searches.order(ada, mug, country="FR", name="Somebody else")
    number = (await searches.shop.order(UUID(wanted)))["number"]
    filters = {
        "email": "ada@example.org", "sku": "MUG", "product_id": mug, "country": "FR", "name": "grace", "number": number,
        "placed_from": utcnow().date(), "currency": "GBP", "total_from": 1, "status": "pending",
        "payment_status": "unpaid", "stuck": False, "customer_id": ada.user_id,
    }  # fmt: skip
    assert await searches.found(**filters) == [wanted]


@pytest.mark.parametrize(
    "filters",
    [
        {"email": "ada@example.org"}, {"name": "Ada"}, {"product_id": str(uuid4())}, {"sku": "MUG"},
        {"placed_from": "2026-11-01"}, {"placed_to": "2026-11-01"}, {"currency": "GBP"}, {"country": "GB"},
        {"total_from": 1, "currency": "GBP"}, {"payment_status": "paid"}, {"tag": "vip"}, {"stuck": "false"},
    ],
)  # fmt: skip
async def test_customers_may_not_search(shop: Shop, filters: dict[str, Any]) -> None:
    answer = await shop.customer.get("/orders", params=filters)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")


async def test_customers_list_their_own_whatever_they_ask_for(searches: Searches) -> None:
    ada, bob = await searches.customer("ada@example.org", "Ada"), await searches.customer("b@example.org", "Bob")
    own = await searches.order(ada)
    await searches.order(bob)
    assert await searches.found(ada) == await searches.found(ada, customer_id=bob.user_id) == [own]


@pytest.mark.parametrize(
    "filters",
    [
        {"placed_to": "0.5"},
        {"placed_from": "0"},
        {"placed_from": "0001-01-01"},
        {"placed_to": "9999-12-31T23:59:59-12:00"},
        {"placed_from": "yesterday"},
        {"placed_from": "2026-11-01T10:00:00"},
        {"country": "UK"},
        {"total_from": -1},
    ],
)
async def test_wrong_filters_are_rejected(shop: Shop, filters: dict[str, Any]) -> None:
    answer = await shop.staff.get("/orders", params={"currency": "GBP", **filters})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/validation-failed")


async def test_nothing_of_an_erased_account_is_found_by_its_name(searches: Searches) -> None:
    ada = await searches.customer("ada@example.org", "Ada Lovelace")
    order_id = await searches.order(ada, name="Grace Hopper", country="FR")
    await searches.shop.deliver(UserErased(user_id=ada.user_id, version=9))
    assert await searches.found(email="ada@example.org") == await searches.found(name="lovelace") == []
    assert await searches.found(name="hopper") == []
    assert await searches.shop.execute("SELECT count(*) FROM order_search WHERE recipient IS NOT NULL") == 0
    assert await searches.found(country="FR") == [order_id], "kept, as the country of the order"


async def test_an_order_that_was_committed_late_is_added(searches: Searches) -> None:
    early, late = await searches.order(name="Early"), await searches.order(name="Late")
    await searches.shop.execute("DELETE FROM order_search WHERE order_id = $1", UUID(early))
    assert await searches.found(name="early") == []
    await add_orders(searches.shop.runtime)
    assert await searches.found(name="early") == [early]
    assert await searches.found(name="late") == [late]


async def test_earlier_orders_are_added_in_batches(searches: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [str((await searches.shop.place(await searches.shop.product())).json()["id"]) for _ in range(5)]
    monkeypatch.setattr("order_service.search.jobs.BATCH", 2)
    assert [await add_orders(searches.shop.runtime) for _ in range(3)] == [True, True, False]
    assert await searches.found(country="GB") == orders


async def test_a_change_of_the_address_while_orders_are_added_is_not_lost(searches: Searches) -> None:
    for attempt in range(5):
        order_id = str((await searches.shop.place(await searches.shop.product())).json()["id"])
        body = {"ship_to": {**SHIP_TO, "name": f"Changed {attempt}"}}
        await asyncio.gather(
            searches.shop.customer.patch(f"/orders/{order_id}", json=body),
            *(add_orders(searches.shop.runtime) for _ in range(3)),
        )
        await add_orders(searches.shop.runtime)
        assert await searches.found(name=f"changed {attempt}") == [order_id]


async def test_a_clock_that_is_fast_hides_no_order(searches: Searches) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    await searches.shop.execute(
        "INSERT INTO order_search (order_id, country, currency, total) VALUES ($1, 'GB', 'GBP', 1)",
        UUID(int=int(ahead.timestamp() * 1000) << 80),
    )
    assert await searches.found(country="IS") == []
    order_id = await searches.order(country="IS")
    assert await searches.found(country="IS") == [order_id]
