"""Parcels and returns of a guest become those of the account which the guest became part of."""

from uuid import UUID, uuid4

import pytest

from contracts.events.users import UserErased, UserMerged
from inventory_service.personal_data import PERSONAL_DATA
from inventory_service.tests.inventory import Inventory, expected, fulfilment, reservation
from service_kit.personal_data.consumers import erase_again, merge_again


async def parcel(inventory: Inventory, customer: UUID) -> UUID:
    order_id = uuid4()
    product_id, _ = await inventory.stocked(5)
    lines = [(product_id, 1)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines, customer))
    await inventory.deliver(expected(order_id, lines, customer))
    [shipment] = await inventory.shipments(order_id)
    return UUID(shipment["id"])


async def owners(inventory: Inventory) -> set[UUID]:
    async with inventory.runtime.database.connection() as connection:
        rows = await connection.fetch("SELECT customer_id FROM shipments UNION SELECT customer_id FROM returns")
    return {row[0] for row in rows}


async def test_parcels_and_returns_are_moved_and_those_that_are_requested_later(inventory: Inventory) -> None:
    guest, ada, other = uuid4(), uuid4(), uuid4()
    for each in (guest, ada, other):
        await parcel(inventory, each)
    for _ in range(2):
        await inventory.deliver(UserMerged(user_id=guest, into=ada, version=5))
        assert await owners(inventory) == {ada, other}
    await parcel(inventory, guest)
    await merge_again(inventory.runtime, PERSONAL_DATA)
    assert await owners(inventory) == {ada, other}


@pytest.mark.parametrize("erased", ["before", "after"])
async def test_the_address_is_erased_with_the_account(inventory: Inventory, erased: str) -> None:
    guest, ada = uuid4(), uuid4()
    shipment = await parcel(inventory, guest)
    assert (await inventory.dispatch(str(shipment))).status_code == 200
    ends = [UserErased(user_id=ada, version=9), UserMerged(user_id=guest, into=ada, version=5)]
    for event in ends if erased == "before" else ends[::-1]:
        await inventory.deliver(event)
    waiting = await parcel(inventory, guest)
    assert (await inventory.dispatch(str(waiting))).status_code == 200
    await merge_again(inventory.runtime, PERSONAL_DATA)
    await erase_again(inventory.runtime, PERSONAL_DATA)
    for each in (shipment, waiting):
        assert (await inventory.staff.get(f"/shipments/{each}")).json()["ship_to"]["name"] == "erased"
