"""Bank transfers that are recorded twice, or while their order ends, and refunds that are confirmed twice."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.races.racing import books_agree, money, race, without_deadlocks
from tests.races.test_money import DUE, PRICE, TIMES, awaiting
from tests.system.world import World


async def _record(world: World, order_id: str, reference: str) -> httpx.Response:
    body = {"amount": PRICE, "reference": reference, "reason": "your transfer", "received_on": "2026-11-01"}
    headers = {"Idempotency-Key": str(uuid4())}
    return await world.staff.ask("order", "POST", f"/orders/{order_id}/bank-transfers", json=body, headers=headers)


async def _requested(world: World, order_id: str) -> list[dict[str, Any]]:
    params = {"order_id": order_id, "status": "requested", "gateway": "bank_transfer"}
    refunds: list[dict[str, Any]] = (await world.staff.call("order", "GET", "/refunds", params=params))["items"]
    return refunds


async def _confirm(world: World, refund_id: str) -> httpx.Response:
    body = {"reference": f"out {refund_id}"}
    return await world.staff.ask("order", "POST", f"/refunds/{refund_id}/confirm", json=body)


@pytest.mark.parametrize("times", TIMES)
async def test_a_transfer_recorded_twice_while_its_order_ends_is_kept_or_refunded_once(
    world: World, times: int
) -> None:
    person, product = await world.customer(), await world.product(stock=100)
    database = await asyncpg.connect(world.shop.database_url("order"))
    kept = 0
    async with without_deadlocks(world):
        for number in range(times):
            order_id = await awaiting(world, person, product)
            reference = f"E2E-{uuid4()}"
            ending = (
                database.execute(DUE, UUID(order_id))
                if number % 2
                else person.ask("order", "POST", f"/orders/{order_id}/cancel", json={})
            )
            *answers, _ = await race(*(_record(world, order_id, reference) for _ in range(4)), ending, spread=1.0)
            assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
            order = await person.order_becomes(order_id, "paid", "expired", "cancelled")
            for refund in await _requested(world, order_id):
                confirmed = await race(*(_confirm(world, refund["id"]) for _ in range(4)))
                assert [answer.status_code for answer in confirmed] == [200] * 4
            captured, back = await money(person, order_id)
            kept += order["status"] == "paid"
            assert (captured, back) == (PRICE, 0 if order["status"] == "paid" else PRICE)
    await database.close()
    await books_agree(world)
    assert await world.stock(product) == {"on_hand": 100, "reserved": kept, "available": 100 - kept}
