"""Reservations, shipments, returns and stock are recovered from events, in a database that has only the warehouses."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.base import Event
from inventory_service.stock.use_cases import publish_levels
from inventory_service.tests.inventory import Inventory, expected, fulfilment, release, reservation
from service_kit.database import Database
from service_kit.recovery import Entry
from tests.harness.recovery import entry_of, recover, restored_database, unpublished

TABLES = {
    "reservations": "order_id, status, lacking",
    "reservation_lines": "order_id, position, warehouse_id, product_id, quantity",
    "shipments": "id, order_id, warehouse_id, status, carrier, tracking_number, version",
    "returns": "id, order_id, status, lines, warehouse_id",
    "stock": "product_id, warehouse_id, on_hand, reserved",
}


@pytest.fixture
async def restored() -> AsyncIterator[Database]:
    async with restored_database("inventory_service") as database:
        yield database


class Requests:
    """What the order service requests; recorded, and answered."""

    def __init__(self, inventory: Inventory) -> None:
        self.sent: list[Entry] = []
        self._inventory = inventory

    async def send(self, *events: Event) -> None:
        for event in events:
            await self.answer(self.written(event))

    def written(self, event: Event) -> Entry:
        """A request that waits on its topic."""
        entry = entry_of(event)
        self.sent.append(entry)
        return entry

    async def answer(self, entry: Entry) -> None:
        messaging = self._inventory.runtime.messaging
        await messaging.processor.process(messaging.subscriptions[entry.record.topic], [entry.record])


async def _keep_warehouse(inventory: Inventory, restored: Database, warehouse_id: UUID) -> None:
    async with inventory.runtime.database.connection() as connection:
        row = dict(await connection.fetchrow("SELECT * FROM warehouses WHERE id = $1", warehouse_id))
    columns, values = ", ".join(row), ", ".join(f"${n}" for n in range(1, len(row) + 1))
    async with restored.connection() as connection:
        await connection.execute(f"INSERT INTO warehouses ({columns}) VALUES ({values})", *row.values())


async def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    async with database.connection() as connection:
        return {
            table: [dict(row) for row in await connection.fetch(f"SELECT {columns} FROM {table} ORDER BY 1, 2")]
            for table, columns in TABLES.items()
        }


async def test_everything_is_what_it_was(inventory: Inventory, restored: Database) -> None:
    mug, warehouse_id = await inventory.stocked(20)
    await publish_levels(inventory.runtime)
    await _keep_warehouse(inventory, restored, warehouse_id)
    requests = Requests(inventory)
    sent, cancelled, waiting, rejected = (uuid4() for _ in range(4))
    for order_id in (sent, cancelled, waiting):
        await requests.send(reservation(order_id, [(mug, 3)]))
    await requests.send(reservation(rejected, [(mug, 100)]))
    await requests.send(fulfilment(sent, [(mug, 3)]), release(cancelled))
    [parcel] = await inventory.shipments(sent)
    assert (await inventory.dispatch(parcel["id"])).is_success
    assert (await inventory.staff.post(f"/shipments/{parcel['id']}/deliver")).is_success
    back = expected(sent, [(mug, 2)])
    await requests.send(back)
    assert (await inventory.take_back(back.return_id, warehouse_id, (mug, 1, 1))).is_success

    journal = await recover(inventory.runtime, restored, requests.sent)

    assert not [what for what in journal.found if "not " in what], journal.found
    assert await _rows(restored) == await _rows(inventory.runtime.database)
    assert await unpublished(restored) == []
    [adjusted] = [names for what, names in journal.lists.items() if "levels adjusted" in what]
    assert adjusted == [f"{mug} in {warehouse_id}"]


async def test_a_request_that_was_not_answered_is_answered_now(inventory: Inventory, restored: Database) -> None:
    mug, warehouse_id = await inventory.stocked(5)
    await publish_levels(inventory.runtime)
    await _keep_warehouse(inventory, restored, warehouse_id)
    requests, order_id = Requests(inventory), uuid4()
    await requests.send(reservation(order_id, [(mug, 1)]))
    requests.sent.append(entry_of(fulfilment(order_id, [(mug, 1)])))
    await recover(inventory.runtime, restored, requests.sent)
    assert await unpublished(restored) == ["mart.shipment.created.v1"]


async def test_requests_are_answered_as_they_were_although_others_were_written_before(
    inventory: Inventory, restored: Database
) -> None:
    mug, warehouse_id = await inventory.stocked(1)
    await publish_levels(inventory.runtime)
    await _keep_warehouse(inventory, restored, warehouse_id)
    requests, order_id, rejected = Requests(inventory), uuid4(), uuid4()
    first = requests.written(reservation(rejected, [(mug, 1)]))
    await requests.send(reservation(order_id, [(mug, 1)]))
    await requests.answer(first)
    await requests.send(fulfilment(order_id, [(mug, 1)]))
    [parcel] = await inventory.shipments(order_id)
    refused = requests.written(release(order_id))
    assert (await inventory.dispatch(parcel["id"])).is_success
    await requests.answer(refused)

    journal = await recover(inventory.runtime, restored, requests.sent)

    assert not [what for what in journal.found if "not " in what], journal.found
    assert await _rows(restored) == await _rows(inventory.runtime.database)
    assert await unpublished(restored) == []


async def test_a_release_that_was_not_answered_comes_after_the_dispatch(
    inventory: Inventory, restored: Database
) -> None:
    mug, warehouse_id = await inventory.stocked(5)
    await publish_levels(inventory.runtime)
    await _keep_warehouse(inventory, restored, warehouse_id)
    requests, order_id = Requests(inventory), uuid4()
    await requests.send(reservation(order_id, [(mug, 1)]), fulfilment(order_id, [(mug, 1)]))
    [parcel] = await inventory.shipments(order_id)
    requests.written(release(order_id))
    assert (await inventory.dispatch(parcel["id"])).is_success

    await recover(inventory.runtime, restored, requests.sent)

    assert await _rows(restored) == await _rows(inventory.runtime.database)
    assert await unpublished(restored) == ["mart.release.refused.v1"]
