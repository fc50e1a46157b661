"""Concurrent payments, refunds, cancellations and expiries."""

import asyncio
import random
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.races.racing import books_agree, money, race, settled
from tests.system.world import Person, World

TIMES = [2, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
PRICE = 1250
DUE = "UPDATE orders SET pay_by = now() WHERE id = $1"


async def charges(world: World, order_id: str) -> list[int]:
    """The captured charges of an order in the gateway's books."""
    headers = {"Authorization": f"Bearer {world.shop.settings['GATEWAY_API_KEY']}"}
    answer = await world.http.get(f"{world.url('gateway')}/charges", params={"reference": order_id}, headers=headers)
    return [charge["amount"] for charge in answer.json()["items"] if charge["status"] == "succeeded"]


async def awaiting(world: World, person: Person, product: str) -> str:
    order_id: str = (await person.order((product, 1)))["id"]
    await person.order_becomes(order_id, "awaiting_payment")
    return order_id


async def paid(world: World, person: Person, product: str) -> tuple[str, str]:
    """(order, payment)"""
    order_id = await awaiting(world, person, product)
    payment = await person.pay(order_id)
    await person.order_becomes(order_id, "paid")
    return order_id, payment["id"]


@pytest.mark.parametrize("times", TIMES)
async def test_fifty_requests_with_one_key_charge_once(world: World, times: int) -> None:
    person, product = await world.customer(), await world.product(stock=100)
    for _ in range(times):
        order_id = await awaiting(world, person, product)
        answers = await asyncio.gather(*(person.pay(order_id, key=f"{order_id}-pay") for _ in range(50)))
        assert len({answer["id"] for answer in answers}) == 1
        await person.order_becomes(order_id, "paid")
        assert await charges(world, order_id) == [PRICE]
        assert await money(person, order_id) == (PRICE, 0)
    await books_agree(world)


@pytest.mark.parametrize("times", TIMES)
async def test_concurrent_refunds_never_exceed_the_captured_amount(world: World, times: int) -> None:
    """Twenty refunds: of the rest, of parts, and of more than was captured."""
    person, product = await world.customer(), await world.product(stock=100)
    for _ in range(times):
        order_id, payment_id = await paid(world, person, product)
        bodies = [{"amount": random.choice([1, 100, 400, PRICE, PRICE + 1])} for _ in range(18)] + [{}, {}]
        answers = await race(
            *(
                world.staff.ask(
                    "order", "POST", f"/payments/{payment_id}/refunds", json=body,
                    headers={"Idempotency-Key": str(uuid4())},
                )
                for body in bodies
            )
        )  # fmt: skip
        assert {answer.status_code for answer in answers} <= {202, 409}
        await settled(world, order_id)
        captured, back = await money(person, order_id)
        assert captured == PRICE
        assert back == sum(answer.json()["amount"]["amount"] for answer in answers if answer.status_code == 202)
        assert back == PRICE, "a refund of the rest must leave nothing"
    await books_agree(world)


@pytest.mark.parametrize("times", TIMES)
async def test_an_order_cancelled_during_payment_keeps_no_money_and_no_stock(world: World, times: int) -> None:
    """In either order of execution the order is finally cancelled, its money refunded and its stock released."""
    person, product = await world.customer(), await world.product(stock=5)
    for _ in range(times):
        order_id = await awaiting(world, person, product)
        cancelled, payment = await race(
            person.ask("order", "POST", f"/orders/{order_id}/cancel", json={}),
            person.ask(
                "order", "POST", f"/orders/{order_id}/payments", json={"token": random.choice(["tok_ok", "tok_late"])},
                headers={"Idempotency-Key": str(uuid4())},
            ),
        )  # fmt: skip
        assert cancelled.status_code in (200, 202), cancelled.text
        assert payment.status_code in (201, 409), payment.text
        await person.order_becomes(order_id, "cancelled")
        await settled(world, order_id)
        captured, back = await money(person, order_id)
        assert captured == back == sum(await charges(world, order_id))
    await books_agree(world)
    assert await world.stock(product) == {"on_hand": 5, "reserved": 0, "available": 5}


@pytest.mark.parametrize("times", TIMES)
async def test_an_order_that_expires_during_payment_is_paid_or_refunded(world: World, times: int) -> None:
    """Either it is paid and keeps its stock, or it is expired, refunded and its stock released."""
    person, product = await world.customer(), await world.product(stock=100)
    database = await asyncpg.connect(world.shop.database_url("order"))
    kept = 0
    for _ in range(times):
        order_id = await awaiting(world, person, product)
        await race(
            database.execute(DUE, UUID(order_id)),
            person.ask(
                "order", "POST", f"/orders/{order_id}/payments", json={"token": "tok_ok"},
                headers={"Idempotency-Key": str(uuid4())},
            ),
            spread=1.0,  # a job checks the time once a second
        )  # fmt: skip
        order = await person.order_becomes(order_id, "paid", "expired")
        await settled(world, order_id)
        captured, back = await money(person, order_id)
        assert captured == sum(await charges(world, order_id))
        kept += order["status"] == "paid"
        assert (captured - back) == (PRICE if order["status"] == "paid" else 0)
    await database.close()
    await books_agree(world)
    assert await world.stock(product) == {"on_hand": 100, "reserved": kept, "available": 100 - kept}


@pytest.mark.parametrize("times", TIMES)
async def test_a_cancellation_during_a_dispatch_cancels_all_or_nothing(world: World, times: int) -> None:
    """Either all stock is released and the money refunded, or the order continues and keeps the money."""
    person = await world.customer()
    for _ in range(times):
        product = await world.product(stock=1)
        await world.receive(product, 1, await world.warehouse())
        order_id = (await person.order((product, 2), payment_token="tok_ok"))["id"]
        await person.order_becomes(order_id, "paid")
        parcels = await world.shipments_of(order_id)
        assert len(parcels) == 2
        cancelled, sent = await race(
            person.ask("order", "POST", f"/orders/{order_id}/cancel", json={}),
            world.staff.ask(
                "inventory", "POST", f"/shipments/{parcels[0]['id']}/dispatch",
                json={"carrier": "DHL", "tracking_number": "1"},
            ),
        )  # fmt: skip
        assert cancelled.status_code in (202, 409), cancelled.text
        order = await person.order_becomes(order_id, "cancelled", "partially_shipped")
        await settled(world, order_id)
        captured, back = await money(person, order_id)
        left = await world.stock(product)
        if order["status"] == "cancelled":
            assert not sent.is_success
            assert (captured, back) == (2 * PRICE, 2 * PRICE)
            assert left == {"on_hand": 2, "reserved": 0, "available": 2}
        else:
            assert sent.is_success
            assert (captured, back) == (2 * PRICE, 0)
            assert left == {"on_hand": 1, "reserved": 1, "available": 0}
    await books_agree(world)


@pytest.mark.parametrize("times", TIMES)
async def test_a_cancellation_and_a_refund_by_staff_refund_the_money_once(world: World, times: int) -> None:
    """Staff refund the amount that the cancellation refunds automatically."""
    person, product = await world.customer(), await world.product(stock=5)
    for _ in range(times):
        order_id, payment_id = await paid(world, person, product)
        await race(
            person.ask("order", "POST", f"/orders/{order_id}/cancel", json={}),
            *(
                world.staff.ask(
                    "order", "POST", f"/payments/{payment_id}/refunds", json={"amount": amount},
                    headers={"Idempotency-Key": str(uuid4())},
                )
                for amount in (1000, 500, 250)
            ),
        )  # fmt: skip
        await person.order_becomes(order_id, "cancelled")
        await settled(world, order_id)
        assert await money(person, order_id) == (PRICE, PRICE)
    await books_agree(world)
