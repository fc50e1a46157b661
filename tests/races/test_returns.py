"""Concurrent returns and refunds, duplicate requests for a return, and receipts in two warehouses."""

import asyncio
import random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.races.racing import books_agree, money, race, settled
from tests.system.world import Person, World, until

TIMES = [3, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
PRICE, PIECES = 1250, 3
TOTAL = PIECES * PRICE


class Bought:
    """A delivered order of the last three pieces of a product."""

    def __init__(self, world: World, person: Person) -> None:
        self.world, self.person = world, person

    async def prepare(self) -> "Bought":
        self.warehouse = await self.world.warehouse()
        self.product = await self.world.product(stock=PIECES, warehouse_id=self.warehouse)
        self.order_id = await self.person.bought(self.product, PIECES)
        [payment] = (await self.person.call("order", "GET", f"/orders/{self.order_id}/payments"))["items"]
        self.payment_id = payment["id"]
        return self

    async def expected(self, quantity: int) -> str:
        """A return that staff have approved and inventory expects."""
        return_id = await self.person.returns(self.order_id, self.product, quantity)

        async def is_expected() -> bool:
            return (await self.world.staff.ask("inventory", "GET", f"/returns/{return_id}")).is_success

        await until("the return is expected", is_expected)
        return return_id

    async def receive(self, return_id: str, restock: int, scrap: int = 0, place: str | None = None) -> httpx.Response:
        lines = [{"product_id": self.product, "restock": restock, "scrap": scrap}]
        body = {"warehouse_id": place or self.warehouse, "lines": lines}
        return await self.world.staff.ask("inventory", "POST", f"/returns/{return_id}/receive", json=body)

    async def refund(self, amount: int | None) -> httpx.Response:
        body = {} if amount is None else {"amount": amount}
        path, headers = f"/payments/{self.payment_id}/refunds", {"Idempotency-Key": str(uuid4())}
        return await self.world.staff.ask("order", "POST", path, json=body, headers=headers)

    async def refunded(self, return_id: str) -> dict[str, Any]:
        """The return, as soon as its refund is settled."""

        async def holds() -> Any:
            found = await self.person.call("order", "GET", f"/returns/{return_id}")
            return found if found["status"] == "refunded" else None

        found: dict[str, Any] = await until("the return is refunded", holds)
        await settled(self.world, self.order_id)
        return found


@pytest.mark.parametrize("times", TIMES)
async def test_a_return_and_concurrent_refunds_never_exceed_the_captured_amount(world: World, times: int) -> None:
    """Staff make full and partial refunds while the warehouse receives the goods."""
    person = await world.customer()
    for _ in range(times):
        bought = await Bought(world, person).prepare()
        pieces = random.randint(1, PIECES)
        return_id = await bought.expected(pieces)
        amounts = random.sample([None, 1000, 1500, 2000, TOTAL], 3)
        # An event from inventory to order takes about as long, so that either side can be first.
        received, *refunds = await race(
            bought.receive(return_id, pieces - 1, 1), *(bought.refund(amount) for amount in amounts), spread=0.06
        )
        assert received.status_code == 200, received.text
        assert {answer.status_code for answer in refunds} <= {202, 409}
        found = await bought.refunded(return_id)
        by_staff = sum(answer.json()["amount"]["amount"] for answer in refunds if answer.status_code == 202)
        automatic = found["refund"]["amount"]
        captured, back = await money(person, bought.order_id)
        assert captured == TOTAL
        assert back == by_staff + automatic <= TOTAL
        assert 0 <= automatic <= pieces * PRICE
        assert automatic == pieces * PRICE or back == TOTAL, "less was refunded although more was left"
        status = "returned" if pieces == PIECES else "delivered"
        assert (await person.order_becomes(bought.order_id, status))["status"] == status
        there = pieces - 1
        assert await world.stock(bought.product) == {"on_hand": there, "reserved": 0, "available": there}
    await books_agree(world)


@pytest.mark.parametrize("times", TIMES)
async def test_concurrent_receipts_of_one_return(world: World, times: int) -> None:
    """A repeated receipt counts once; one with other contents, or in another warehouse, is rejected."""
    person, other = await world.customer(), await world.warehouse()
    for _ in range(times):
        bought = await Bought(world, person).prepare()
        return_id = await bought.expected(PIECES)
        answers = await race(
            *(bought.receive(return_id, 2, 1) for _ in range(4)),
            *(bought.receive(return_id, 0, 3) for _ in range(2)),
            bought.receive(return_id, 2, 1, other),
        )  # fmt: skip
        assert {answer.status_code for answer in answers} == {200, 409}
        won = [answer.json() for answer in answers if answer.is_success]
        assert len({str(each) for each in won}) == 1
        found = await bought.refunded(return_id)
        assert found["refund"]["amount"] == TOTAL
        assert await money(person, bought.order_id) == (TOTAL, TOTAL)
        there = won[0]["lines"][0]["restocked"]
        assert await world.stock(bought.product) == {"on_hand": there, "reserved": 0, "available": there}
    await books_agree(world)


@pytest.mark.parametrize("times", TIMES)
async def test_concurrent_return_requests_for_the_same_pieces(world: World, times: int) -> None:
    """Only the first request is accepted; and a return is either approved or withdrawn."""
    person = await world.customer()
    for _ in range(times):
        bought = await Bought(world, person).prepare()
        body = {"lines": [{"product_id": bought.product, "quantity": 2}], "reason": "too small"}
        path = f"/orders/{bought.order_id}/returns"
        asked = await asyncio.gather(
            *(person.ask("order", "POST", path, json=body, headers={"Idempotency-Key": str(n)}) for n in range(10))
        )
        assert sorted(answer.status_code for answer in asked) == [201] + [409] * 9
        [return_id] = [answer.json()["id"] for answer in asked if answer.is_success]
        decided = await race(
            world.staff.ask("order", "POST", f"/returns/{return_id}/approve"),
            world.staff.ask("order", "POST", f"/returns/{return_id}/reject", json={"reason": "worn"}),
            person.ask("order", "POST", f"/returns/{return_id}/withdraw"),
        )
        assert sorted(answer.status_code for answer in decided) == [200, 409, 409]
        [status] = [answer.json()["status"] for answer in decided if answer.is_success]
        if status == "approved":
            await world.receive_return(return_id, bought.warehouse, bought.product, restock=2)
            assert (await bought.refunded(return_id))["refund"]["amount"] == 2 * PRICE
        left = PIECES - 2 if status == "approved" else PIECES
        assert (await bought.expected(left)) != return_id
    await books_agree(world)
