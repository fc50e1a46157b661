"""Limits on unpaid orders, unpaid pieces and failed payments."""

from asyncio import gather
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.stock_levels import StockChanged
from contracts.events.users import UserChanged, UserErased
from order_service.fulfilment import jobs
from order_service.orders import placing_read_queries
from order_service.payments import jobs as payment_jobs
from order_service.payments.models import Payment, PaymentState
from order_service.tests.conftest import Shop, secrets
from service_kit.clock import utcnow
from tests.harness import tokens
from tests.harness.service import Caller, serve

WITH_PROXY = {"trusted_proxies": "127.0.0.1"}
ADDRESS_OF = "SELECT client_address FROM orders WHERE id = $1"


@asynccontextmanager
async def braked(**settings: Any) -> AsyncIterator[Shop]:
    async with serve("order_service", **secrets(), **WITH_PROXY, **settings) as served:
        shop = Shop(served)
        await introduce(shop, shop.customer, verified=True)
        yield shop


@pytest.fixture
async def limited() -> AsyncIterator[Shop]:
    async with braked() as shop:
        yield shop


async def introduce(shop: Shop, caller: Caller, *, verified: bool, version: int = 1) -> None:
    event = UserChanged(
        user_id=caller.user_id,
        version=version,
        email="ada@example.org",
        full_name="Ada King",
        roles=["User"],
        email_verified=verified,
        active=True,
    )
    await shop.deliver(event)


async def stocked(shop: Shop, on_hand: int) -> UUID:
    product_id = await shop.product()
    await shop.deliver(
        StockChanged(product_id=product_id, version=1, on_hand=on_hand, reserved=0, available=on_hand, warehouses=[])
    )
    return product_id


def at(shop: Shop, caller: Caller, address: str) -> Caller:
    """The caller behind a proxy that tells this address."""
    client = shop.served.client(tokens.token(role="User", user_id=caller.user_id))
    client.headers["X-Forwarded-For"] = address
    return Caller(caller.user_id, client)


def rejected(answer: httpx.Response) -> str:
    """The type of a rejection, which says when to try again."""
    assert answer.status_code == 429, answer.text
    seconds = int(answer.headers["Retry-After"])
    assert seconds > 0
    assert answer.headers["RateLimit"].endswith(f";r=0;t={seconds}")
    assert f"q={answer.json()['limit']}" in answer.headers["RateLimit-Policy"]
    return str(answer.json()["type"])


async def test_fifty_orders_at_once_leave_no_more_open_than_the_limit(limited: Shop) -> None:
    product_id = await limited.product()
    lines = [{"product_id": str(product_id), "quantity": 1}]
    answers = await gather(*(limited.place(lines=lines) for _ in range(50)))
    assert sorted({answer.status_code for answer in answers}) == [201, 429]
    assert sum(answer.status_code == 201 for answer in answers) == 20
    assert await limited.execute("SELECT count(*) FROM orders") == 20
    assert await limited.execute("SELECT count(*) FROM idempotency_keys") == 20
    assert await limited.execute("SELECT count(*) FROM outbox") == 40

    answer = await limited.place(lines=lines, key="again")
    assert rejected(answer) == "/problems/too-many-unpaid-orders"
    assert timedelta(hours=23) < timedelta(seconds=int(answer.headers["Retry-After"])) <= timedelta(hours=24)
    assert (answer.json()["limit"], answer.json()["of"]) == (20, "account")
    assert (await limited.place(lines=lines, by=limited.served.caller())).status_code == 201, "another account"

    order_id = await limited.execute("SELECT id FROM orders WHERE customer_id = $1 LIMIT 1", limited.customer.user_id)
    assert (await limited.customer.post(f"/orders/{order_id}/cancel")).status_code == 200
    assert (await limited.place(lines=lines, key="again")).status_code == 201, "a rejection is not stored"


async def test_an_order_that_nothing_was_owed_before_is_counted_if_another_was_faster(
    limited: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty are placed between what the twenty-first reads, which is that nothing is unpaid, and what it writes."""
    product_id = await limited.product()
    await limited.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
    for name, order in {"read": limited.place(product_id), "read_cart": limited.place(from_cart=True)}.items():
        read = getattr(placing_read_queries, name)

        async def read_then_placed(*arguments: Any, read: Any = read, name: str = name) -> Any:
            found = await read(*arguments)
            monkeypatch.setattr(placing_read_queries, name, read)
            others = [await limited.place(product_id) for _ in range(20)]
            assert {other.status_code for other in others} <= {201, 429}
            assert await limited.execute("SELECT count(*) FROM orders") == 20
            return replace(found, account_has_unpaid=False, address_has_unpaid=False)

        monkeypatch.setattr(placing_read_queries, name, read_then_placed)
        assert rejected(await order) == "/problems/too-many-unpaid-orders"
    assert await limited.execute("SELECT count(*) FROM orders WHERE owes_alone") == 1
    assert len((await limited.customer.get("/cart")).json()["items"]) == 1


async def test_a_repeated_request_gets_its_first_answer_at_the_limit_too() -> None:
    async with braked(unpaid_orders=1) as shop:
        product_id = await shop.product()
        answers = await gather(*(shop.place(product_id, key="one") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
        rejections = await gather(*(shop.place(from_cart=True) for _ in range(5)))
        assert {rejected(answer) for answer in rejections} == {"/problems/too-many-unpaid-orders"}
        assert len((await shop.customer.get("/cart")).json()["items"]) == 1
        assert (await shop.customer.get("/cart")).json()["version"] == 1


async def test_without_a_confirmed_address_three_orders_are_held_for_half_an_hour(limited: Shop) -> None:
    product_id, stranger = await limited.product(), limited.served.caller()
    for caller in (stranger, limited.served.caller()):
        if caller is not stranger:  # one who has just registered is not known yet
            await introduce(limited, caller, verified=False)
        answers = await gather(*(limited.place(product_id, by=caller) for _ in range(6)))
        assert sum(answer.status_code == 201 for answer in answers) == 3
        for answer in answers:
            if answer.status_code == 201:
                held = datetime.fromisoformat(answer.json()["pay_by"]) - utcnow()
                assert timedelta(minutes=29) < held <= timedelta(minutes=30)
    await introduce(limited, stranger, verified=True)
    answer = await limited.place(product_id, by=stranger)
    assert datetime.fromisoformat(answer.json()["pay_by"]) - utcnow() > timedelta(hours=23)


async def test_who_was_known_before_confirmations_were_kept_counts_as_confirmed(limited: Shop) -> None:
    await limited.execute("UPDATE account_status SET email_verified = NULL")
    answers = [await limited.place(await limited.product()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201] * 4


async def test_of_one_product_a_tenth_of_the_stock_is_held_but_at_least_ten(limited: Shop) -> None:
    for on_hand, most in ((50, 10), (1000, 100)):
        product_id = await stocked(limited, on_hand)

        async def order(quantity: int, product_id: UUID = product_id) -> httpx.Response:
            return await limited.place(lines=[{"product_id": str(product_id), "quantity": quantity}])

        answer = await order(most + 1)
        assert rejected(answer) == "/problems/too-much-held-unpaid"
        assert (answer.json()["limit"], answer.json()["product_id"]) == (most, str(product_id))
        assert (await order(most - 1)).status_code == 201
        assert rejected(await order(2)) == "/problems/too-much-held-unpaid"
        assert (await order(1)).status_code == 201
        assert rejected(await order(1)) == "/problems/too-much-held-unpaid"


async def test_pieces_count_over_lines_and_orders_at_once(limited: Shop) -> None:
    product_id = str(await stocked(limited, 50))
    two_lines = [{"product_id": product_id, "quantity": 6}] * 2
    assert rejected(await limited.place(lines=two_lines)) == "/problems/too-much-held-unpaid"
    answers = await gather(*(limited.place(lines=[{"product_id": product_id, "quantity": 3}]) for _ in range(10)))
    assert sum(answer.status_code == 201 for answer in answers) == 3


async def test_one_address_is_limited_whatever_the_account() -> None:
    async with braked(unpaid_orders_per_address=4) as shop:
        product_id, plenty = await shop.product(), await stocked(shop, 50)

        async def order(address: str, product_id: UUID = product_id, quantity: int = 1) -> httpx.Response:
            lines = [{"product_id": str(product_id), "quantity": quantity}]
            return await shop.place(lines=lines, by=at(shop, shop.served.caller(), address))

        assert (await order("203.0.113.7", plenty, 8)).status_code == 201
        assert rejected(await order("203.0.113.7", plenty, 3)) == "/problems/too-much-held-unpaid"
        assert [(await order("203.0.113.7")).status_code for _ in range(3)] == [201] * 3
        answer = await order("203.0.113.7")
        assert rejected(answer) == "/problems/too-many-unpaid-orders"
        assert answer.json()["of"] == "address"
        assert (await order("203.0.113.8")).status_code == 201
        same_network = [await order(f"2001:db8::{number}") for number in range(1, 6)]
        assert [answer.status_code for answer in same_network] == [201] * 4 + [429]
        assert (await order("2001:db8:0:1::1")).status_code == 201


async def test_staff_are_exempt(limited: Shop) -> None:
    product_id = await stocked(limited, 50)
    lines = [{"product_id": str(product_id), "quantity": 11}]
    for _ in range(22):
        answer = await limited.place(by=limited.staff, lines=lines, customer_id=str(limited.customer.user_id))
        assert answer.status_code == 201, answer.text
    assert await limited.execute("SELECT count(client_address) FROM orders") == 0
    assert (await limited.place(await limited.product())).status_code == 201, "theirs don't count for the customer"


async def test_the_client_address_goes_when_the_order_is_no_longer_unpaid(limited: Shop) -> None:
    caller = at(limited, limited.customer, "203.0.113.7")
    paid, cancelled, late, erased = [await limited.accepted(by=caller) for _ in range(4)]
    assert await limited.execute(ADDRESS_OF, erased) == "203.0.113.7"
    export = (await limited.customer.get("/me/export")).json()
    assert {order["client_address"] for order in export["orders"]} == {"203.0.113.7"}

    await limited.capture(paid, 2000)
    await limited.customer.post(f"/orders/{cancelled}/cancel")
    await limited.execute("UPDATE orders SET pay_by = now() WHERE id = $1", late)
    await jobs.expire(limited.runtime)
    for order_id in (paid, cancelled, late):
        assert await limited.execute(ADDRESS_OF, order_id) is None
    await tried(limited, erased, address="203.0.113.7")
    await limited.deliver(UserErased(user_id=caller.user_id, version=9))
    assert await limited.execute(ADDRESS_OF, erased) is None
    assert await limited.execute("SELECT count(client_address) FROM payments") == 0


async def tried(shop: Shop, order_id: UUID, *, times: int = 1, address: str | None = None, ago: int = 0) -> None:
    """So many payments of the order that were declined, so many minutes ago."""
    async with shop.runtime.database.session() as tx:
        for _ in range(times):
            payment = Payment(
                order_id=order_id,
                customer_id=shop.customer.user_id,
                amount=2000,
                currency="GBP",
                status=PaymentState.FAILED,
                gateway="sandbox",
                failure_reason="card_declined",
                client_address=address,
                created_at=utcnow() - timedelta(minutes=ago),
            )
            tx.add(payment)


async def pay(by: Caller, order_id: UUID) -> httpx.Response:
    headers = {"Idempotency-Key": str(uuid4())}
    return await by.post(f"/orders/{order_id}/payments", json={"token": "tok_declined"}, headers=headers)


OPENED = 503
"""What a payment that was opened is answered with, where no gateway can be reached."""


async def test_an_order_takes_five_declined_cards(limited: Shop) -> None:
    order_id = await limited.accepted()
    await tried(limited, order_id, times=4, ago=300)
    assert (await pay(limited.customer, order_id)).status_code == OPENED
    await limited.execute("DELETE FROM payments WHERE status = 'pending'")
    await tried(limited, order_id, ago=300)
    answer = await pay(limited.customer, order_id)
    assert rejected(answer) == "/problems/too-many-failed-payments"
    assert (answer.json()["limit"], answer.json()["of"]) == (5, "order")
    assert await limited.execute("SELECT count(*) FROM payments WHERE status = 'pending'") == 0
    assert (await pay(limited.staff, order_id)).status_code == OPENED


async def test_an_account_has_twenty_declined_cards_an_hour(limited: Shop) -> None:
    orders = [await limited.accepted() for _ in range(5)]
    for order_id in orders[:4]:
        await tried(limited, order_id, times=4, ago=50)
    assert (await pay(limited.customer, orders[4])).status_code == OPENED, "sixteen so far"
    await limited.execute("DELETE FROM payments WHERE status = 'pending'")
    await tried(limited, orders[4], times=4, ago=1)
    answer = await pay(limited.customer, orders[4])
    assert rejected(answer) == "/problems/too-many-failed-payments"
    assert answer.json()["of"] == "account"
    assert 540 < int(answer.headers["Retry-After"]) <= 601, "until the first of them is an hour ago"
    await limited.execute("UPDATE payments SET created_at = now() - interval '61 minutes'")
    assert (await pay(limited.customer, orders[4])).status_code == OPENED


async def test_tokens_that_came_with_orders_are_tried_no_more_than_cards() -> None:
    async with braked(failed_payments_per_hour=3) as shop:
        order_id = await shop.accepted()
        await tried(shop, order_id, times=3)
        waiting = await shop.accepted(payment_token="tok_declined")
        await payment_jobs.pay_by_tokens(shop.runtime)
        opened = "SELECT count(*) FROM payments WHERE order_id = $1"
        assert await shop.execute(opened, waiting) == 0
        await shop.execute("UPDATE payments SET created_at = now() - interval '61 minutes'")
        await payment_jobs.pay_by_tokens(shop.runtime)
        assert await shop.execute(opened, waiting) == 1


async def test_an_address_has_so_many_declined_cards_an_hour_whatever_the_account() -> None:
    async with braked(failed_payments_per_hour_and_address=3) as shop:
        order_id, other = await shop.accepted(), shop.served.caller()
        await tried(shop, order_id, times=3, address="203.0.113.7", ago=30)
        theirs = await shop.accepted(by=other)
        answer = await pay(at(shop, other, "203.0.113.7"), theirs)
        assert rejected(answer) == "/problems/too-many-failed-payments"
        assert answer.json()["of"] == "address"
        assert (await pay(at(shop, other, "203.0.113.8"), theirs)).status_code == OPENED

        await shop.execute("UPDATE payments SET created_at = now() - interval '61 minutes'")
        await payment_jobs.prune_client_addresses(shop.runtime)
        kept = "SELECT count(client_address) FROM payments WHERE status <> 'pending'"
        assert await shop.execute(kept) == 0
