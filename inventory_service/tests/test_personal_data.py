"""The export of personal data, and its erasure."""

from typing import Any
from uuid import UUID, uuid4

from contracts.events.users import UserErased
from inventory_service.personal_data import PERSONAL_DATA
from inventory_service.tests.inventory import Inventory, expected, fulfilment, reservation
from service_kit.personal_data.consumers import erase_again


async def _parcel(inventory: Inventory, user_id: UUID) -> dict[str, Any]:
    order_id = uuid4()
    product_id, _ = await inventory.stocked(5)
    lines = [(product_id, 1)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines, user_id))
    [shipment] = await inventory.shipments(order_id)
    return shipment


async def test_the_export_contains_only_ones_own_parcels_and_returns(inventory: Inventory) -> None:
    customer = inventory.served.caller()
    mine = await _parcel(inventory, customer.user_id)
    await _parcel(inventory, uuid4())
    back = expected(UUID(mine["order_id"]), [(uuid4(), 1)], customer.user_id)
    await inventory.deliver(back, expected(uuid4(), [(uuid4(), 1)]))
    found = (await customer.get("/me/export")).json()
    assert [each["id"] for each in found["returns"]] == [str(back.return_id)]
    assert [shipment["id"] for shipment in found["shipments"]] == [mine["id"]]
    assert found["shipments"][0]["ship_to"]["name"] == "Ada Lovelace"


async def test_an_erased_customers_address_is_erased_once_the_parcel_has_left(inventory: Inventory) -> None:
    """At once if the parcel has left already; a parcel that is still to leave needs its address."""
    person = uuid4()
    left, waiting = await _parcel(inventory, person), await _parcel(inventory, person)
    others = await _parcel(inventory, uuid4())
    for parcel in (left, others):
        assert (await inventory.dispatch(parcel["id"])).status_code == 200
    await inventory.deliver(UserErased(user_id=person, version=2))
    assert await _line1(inventory, left) == "erased"
    assert await _line1(inventory, waiting) == "12 St James's Square"
    assert (await inventory.dispatch(waiting["id"])).status_code == 200
    await erase_again(inventory.runtime, PERSONAL_DATA)
    assert await _line1(inventory, waiting) == "erased"
    assert await _line1(inventory, others) == "12 St James's Square"


async def _line1(inventory: Inventory, parcel: dict[str, Any]) -> str:
    found = (await inventory.staff.get(f"/shipments/{parcel['id']}")).json()
    return str(found["ship_to"]["line1"])
