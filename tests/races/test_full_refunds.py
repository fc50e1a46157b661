"""A full refund and a dispatch at the same time: goods are never both refunded and dispatched without a warning."""

from uuid import uuid4

import pytest

from tests.races.racing import books_agree, money, race, settled
from tests.system.world import World, until

TIMES = [3, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
PRICE = 1250


@pytest.mark.parametrize("times", TIMES)
async def test_a_full_refund_during_a_dispatch_cancels_the_order_or_marks_a_parcel(world: World, times: int) -> None:
    """Either the order is cancelled and nothing is dispatched, or one parcel is dispatched and the other one marked."""
    person = await world.customer()
    for _ in range(times):
        product = await world.product(stock=1)
        await world.receive(product, 1, await world.warehouse())
        order_id = (await person.order((product, 2), payment_token="tok_ok"))["id"]
        await person.order_becomes(order_id, "paid")
        [payment] = (await person.call("order", "GET", f"/orders/{order_id}/payments"))["items"]
        parcel, other = await world.shipments_of(order_id)
        refunded, sent = await race(
            world.staff.ask(
                "order", "POST", f"/payments/{payment['id']}/refunds", json={},
                headers={"Idempotency-Key": str(uuid4())},
            ),
            world.staff.ask(
                "inventory", "POST", f"/shipments/{parcel['id']}/dispatch",
                json={"carrier": "DHL", "tracking_number": "1"},
            ),
        )  # fmt: skip
        assert refunded.status_code == 202, refunded.text
        order = await person.order_becomes(order_id, "cancelled", "partially_shipped")
        await settled(world, order_id)
        assert await money(person, order_id) == (2 * PRICE, 2 * PRICE)
        assert sent.is_success == (order["status"] == "partially_shipped")
        if sent.is_success:
            await _is_marked(world, other["id"])
    await books_agree(world)


async def _is_marked(world: World, parcel: str) -> None:
    async def marked() -> bool:
        return bool((await world.staff.call("inventory", "GET", f"/shipments/{parcel}"))["refunded"])

    await until("the other parcel is marked", marked)
    body = {"carrier": "DHL", "tracking_number": "2"}
    answer = await world.staff.ask("inventory", "POST", f"/shipments/{parcel}/dispatch", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/shipment-refunded")
