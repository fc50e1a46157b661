"""Requests of the order service, through the consumer: in time, too early, too late, and twice."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.events.inventory_deduction import (
    ReleaseRefused,
    ReservationAccepted,
    ReservationExpired,
    ReservationRejected,
)
from contracts.events.shipment_notification import ShipmentCreated
from inventory_service.reservations import use_cases
from inventory_service.tests.inventory import TRACEPARENT, Inventory, fulfilment, release, reservation
from service_kit.clock import utcnow
from service_kit.ids import uuid7

NOBODYS_PRODUCT = uuid4()


async def test_a_request_reserves_all_lines_and_is_answered(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(10)
    order_id = uuid7()
    asked = reservation(order_id, [(product_id, 2), (product_id, 3)])
    await inventory.deliver(asked)
    (answer,) = await inventory.served.events()
    assert answer == ReservationAccepted(order_id=order_id, reserved_until=asked.reserved_until, version=1)
    assert await inventory.level(product_id) == (10, 5)
    found = (await inventory.staff.get(f"/reservations/{order_id}")).json()
    assert found["status"] == "reserved"
    place = {"product_id": str(product_id), "warehouse_id": str(warehouse_id)}
    assert found["lines"] == [{"position": 0, "quantity": 2, **place}, {"position": 1, "quantity": 3, **place}]
    await inventory.check_books()


async def test_answers_continue_the_trace_of_their_request(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(10)
    await inventory.deliver(reservation(uuid7(), [(product_id, 1)]), reservation(uuid7(), [(product_id, 1)]))
    async with inventory.runtime.database.connection() as hot:
        found = [row[0] for row in await hot.fetch("SELECT traceparent FROM outbox ORDER BY id")]
    assert found == [TRACEPARENT] * 2


async def test_a_rejection_names_the_requested_and_the_available_pieces(inventory: Inventory) -> None:
    tea, _ = await inventory.stocked(3)
    coffee, _ = await inventory.stocked(9)
    order_id = uuid7()
    await inventory.deliver(reservation(order_id, [(tea, 2), (coffee, 1), (tea, 2), (NOBODYS_PRODUCT, 1)]))
    (answer,) = await inventory.served.events(ReservationRejected)
    assert [(lack.product_id, lack.requested, lack.available) for lack in answer.lines] == [
        (tea, 4, 3),
        (NOBODYS_PRODUCT, 1, 0),
    ]
    assert await inventory.level(tea) == (3, 0)
    assert await inventory.level(coffee) == (9, 0)
    await inventory.check_books()


async def test_a_batch_is_decided_in_the_order_of_arrival(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(5)
    first, second, third = uuid7(), uuid7(), uuid7()
    # The pieces that the release frees can be reserved again in the same batch.
    await inventory.deliver(
        reservation(third, [(product_id, 4)]),
        reservation(second, [(product_id, 2)]),
        release(third),
        reservation(first, [(product_id, 5)]),
    )
    assert await inventory.emitted(third) == ["reservation.accepted", "reservation.released"]
    assert await inventory.emitted(second) == ["reservation.rejected"]
    assert await inventory.emitted(first) == ["reservation.accepted"]
    assert await inventory.level(product_id) == (5, 5)
    await inventory.check_books()


async def test_an_order_is_split_over_warehouses_and_ships_from_each(inventory: Inventory) -> None:
    product_id, north = await inventory.stocked(4)
    south = await inventory.warehouse()
    await inventory.receive(south, (product_id, 6))
    order_id, customer_id = uuid7(), uuid4()
    lines = [(product_id, 5), (product_id, 4)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines, customer_id))
    created = await inventory.served.events(ShipmentCreated)
    parts = {each.warehouse_id: [line.quantity for line in each.lines] for each in created}
    assert parts == {south: [5, 1], north: [3]}
    assert {(each.shipments_of_order, each.customer_id, each.number) for each in created} == {
        (2, customer_id, "100042")
    }
    shipments = await inventory.shipments(order_id)
    assert {UUID(each["id"]) for each in shipments} == {each.shipment_id for each in created}
    assert {each["status"] for each in shipments} == {"created"}
    assert await inventory.status(order_id) == "fulfilling"
    await inventory.check_books()


async def test_an_order_of_two_thousand_lines_is_reserved_and_dispatched(inventory: Inventory) -> None:
    warehouse_id = await inventory.warehouse()
    products = [await inventory.product() for _ in range(20)]
    await inventory.receive(warehouse_id, *((product_id, 100) for product_id in products))
    order_id = uuid7()
    lines = [(products[number % 20], 1) for number in range(2000)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    (listed,) = await inventory.shipments(order_id)
    shipment = (await inventory.staff.get(f"/shipments/{listed['id']}")).json()
    assert [line["product_id"] for line in shipment["lines"]] == [str(product_id) for product_id, _ in lines]
    assert (await inventory.dispatch(shipment["id"])).status_code == 200
    assert {await inventory.level(product_id) for product_id in products} == {(0, 0)}
    await inventory.check_books()


class TestReservationRequested:
    """Requests that are repeated, or come after the reservation's end."""

    async def test_a_duplicate_of_an_event_is_ignored(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id, id = uuid7(), uuid7()
        asked = reservation(order_id, [(product_id, 2)])
        await inventory.deliver(asked, asked, ids=[id, id])
        await inventory.deliver(asked, ids=[id])
        assert await inventory.emitted(order_id) == ["reservation.accepted"]
        assert await inventory.level(product_id) == (5, 2)

    async def test_a_second_request_gets_the_answer_of_the_first(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id = uuid7()
        first = reservation(order_id, [(product_id, 2)])
        await inventory.deliver(first)
        await inventory.deliver(reservation(order_id, [(product_id, 3)], minutes=600))
        answers = await inventory.served.events(ReservationAccepted)
        assert [(each.reserved_until, each.version) for each in answers] == [
            (first.reserved_until, 1),
            (first.reserved_until, 2),
        ]
        assert await inventory.level(product_id) == (5, 2)
        await inventory.check_books()

    async def test_a_rejected_order_stays_rejected_when_stock_becomes_available(self, inventory: Inventory) -> None:
        product_id, warehouse_id = await inventory.stocked(1)
        order_id = uuid7()
        await inventory.deliver(reservation(order_id, [(product_id, 2)]))
        await inventory.receive(warehouse_id, (product_id, 10))
        await inventory.deliver(reservation(order_id, [(product_id, 2)]))
        first, second = await inventory.served.events(ReservationRejected)
        assert first.lines == second.lines
        assert await inventory.level(product_id) == (11, 0)

    async def test_a_request_after_the_expiry_is_answered_as_expired(self, inventory: Inventory) -> None:
        """A rejection would cancel an order that was paid meanwhile and is about to be fulfilled."""
        product_id, _ = await inventory.stocked(5)
        order_id, lines = uuid7(), [(product_id, 2)]
        asked = reservation(order_id, lines, minutes=-1)
        await inventory.deliver(asked)
        await use_cases.expire(inventory.runtime)
        await inventory.deliver(asked)  # with another event id, so that it is no duplicate
        assert await inventory.emitted(order_id) == [
            "reservation.accepted",
            "reservation.expired",
            "reservation.expired",
        ]
        await inventory.deliver(fulfilment(order_id, lines))
        assert (await inventory.emitted(order_id))[-1] == "shipment.created"
        await inventory.check_books()

    @pytest.mark.parametrize("in_one_batch", [True, False])
    async def test_a_request_after_the_release_reserves_nothing(self, inventory: Inventory, in_one_batch: bool) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id = uuid7()
        requests = [release(order_id), reservation(order_id, [(product_id, 2)])]
        if in_one_batch:
            await inventory.deliver(*requests)
        else:
            for request in requests:
                await inventory.deliver(request)
        assert await inventory.emitted(order_id) == ["reservation.released", "reservation.rejected"]
        assert await inventory.level(product_id) == (5, 0)
        await inventory.check_books()


class TestReleaseRequested:
    async def test_a_release_frees_the_reserved_stock(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id = uuid7()
        await inventory.deliver(reservation(order_id, [(product_id, 2)]))
        await inventory.deliver(release(order_id))
        await inventory.deliver(release(order_id))
        assert await inventory.emitted(order_id) == [
            "reservation.accepted",
            "reservation.released",
            "reservation.released",
        ]
        assert await inventory.level(product_id) == (5, 0)
        assert (await inventory.staff.get(f"/reservations/{order_id}")).json()["lines"] == []
        await inventory.check_books()

    async def test_a_release_of_a_rejected_order_is_answered(self, inventory: Inventory) -> None:
        order_id = uuid7()
        await inventory.deliver(reservation(order_id, [(NOBODYS_PRODUCT, 2)]), release(order_id))
        assert await inventory.emitted(order_id) == ["reservation.rejected", "reservation.released"]
        assert await inventory.status(order_id) == "rejected"

    @pytest.mark.parametrize("in_one_batch", [True, False])
    async def test_a_release_cancels_shipments_that_have_not_left(
        self, inventory: Inventory, in_one_batch: bool
    ) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id, lines = uuid7(), [(product_id, 2)]
        requests = [reservation(order_id, lines), fulfilment(order_id, lines), release(order_id)]
        if in_one_batch:
            await inventory.deliver(*requests)
        else:
            for request in requests:
                await inventory.deliver(request)
        (shipment,) = await inventory.shipments(order_id)
        assert shipment["status"] == "cancelled"
        answer = await inventory.dispatch(shipment["id"])
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/shipment-not-to-dispatch")
        assert (await inventory.emitted(order_id))[-1] == "reservation.released"
        assert await inventory.level(product_id) == (5, 0)
        await inventory.check_books()

    async def test_a_release_is_rejected_once_a_parcel_has_left(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(4)
        await inventory.receive(await inventory.warehouse(), (product_id, 4))
        order_id, lines = uuid7(), [(product_id, 8)]
        await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
        first, second = await inventory.shipments(order_id)
        assert (await inventory.dispatch(first["id"])).status_code == 200
        await inventory.deliver(release(order_id))
        (rejected,) = await inventory.served.events(ReleaseRefused)
        assert "1 of the order's parcels" in rejected.reason
        assert await inventory.level(product_id) == (4, 4)
        assert (await inventory.dispatch(second["id"])).status_code == 200
        assert await inventory.status(order_id) == "fulfilled"
        await inventory.deliver(release(order_id))
        assert (await inventory.emitted(order_id))[-1] == "release.refused"
        await inventory.check_books()


class TestFulfilmentRequested:
    async def test_a_second_request_creates_no_second_shipment(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id, lines = uuid7(), [(product_id, 2)]
        await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines), fulfilment(order_id, lines))
        await inventory.deliver(fulfilment(order_id, lines))
        (shipment,) = await inventory.shipments(order_id)
        assert (await inventory.dispatch(shipment["id"])).status_code == 200
        await inventory.deliver(fulfilment(order_id, lines))
        assert len(await inventory.shipments(order_id)) == 1
        assert (await inventory.emitted(order_id)).count("shipment.created") == 1

    async def test_an_expired_reservation_is_made_again(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id, lines = uuid7(), [(product_id, 5)]
        await inventory.deliver(reservation(order_id, lines, minutes=-1))
        await use_cases.expire(inventory.runtime)
        await inventory.deliver(fulfilment(order_id, lines))
        assert await inventory.emitted(order_id) == ["reservation.accepted", "reservation.expired", "shipment.created"]
        assert await inventory.level(product_id) == (5, 5)
        await inventory.check_books()

    async def test_an_expired_reservation_is_rejected_when_the_stock_is_gone(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id, lines = uuid7(), [(product_id, 5)]
        await inventory.deliver(reservation(order_id, lines, minutes=-1))
        await use_cases.expire(inventory.runtime)
        await inventory.deliver(reservation(uuid7(), [(product_id, 1)]), fulfilment(order_id, lines))
        (rejected,) = await inventory.served.events(ReservationRejected)
        assert [(lack.requested, lack.available) for lack in rejected.lines] == [(5, 4)]
        assert await inventory.shipments(order_id) == []
        assert await inventory.level(product_id) == (5, 1)
        await inventory.check_books()

    async def test_an_order_without_a_reservation_is_reserved_and_shipped(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id = uuid7()
        await inventory.deliver(fulfilment(order_id, [(product_id, 2)]))
        assert await inventory.emitted(order_id) == ["shipment.created"]
        assert await inventory.level(product_id) == (5, 2)
        await inventory.deliver(reservation(order_id, [(product_id, 2)]))
        assert await inventory.level(product_id) == (5, 2)
        await inventory.check_books()

    async def test_a_released_order_is_not_shipped(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        order_id, lines = uuid7(), [(product_id, 2)]
        await inventory.deliver(reservation(order_id, lines), release(order_id), fulfilment(order_id, lines))
        assert (await inventory.emitted(order_id))[-1] == "reservation.rejected"
        assert await inventory.shipments(order_id) == []
        await inventory.check_books()


class TestExpiry:
    async def test_an_expired_reservation_is_released_once(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(5)
        ended, running, paid = uuid7(), uuid7(), uuid7()
        await inventory.deliver(
            reservation(ended, [(product_id, 2)], minutes=-1),
            reservation(running, [(product_id, 1)]),
            reservation(paid, [(product_id, 1)], minutes=-1),
            fulfilment(paid, [(product_id, 1)]),
        )
        for _ in range(2):
            await use_cases.expire(inventory.runtime)
        (expired,) = await inventory.served.events(ReservationExpired)
        assert (expired.order_id, expired.version) == (ended, 2)
        assert await inventory.level(product_id) == (5, 2)
        assert await inventory.status(ended) == "expired"
        await inventory.deliver(release(ended), reservation(ended, [(product_id, 2)]))
        assert (await inventory.emitted(ended))[2:] == ["reservation.released", "reservation.rejected"]
        await inventory.check_books()

    async def test_more_reservations_than_one_transaction_takes_expire_in_one_run(self, inventory: Inventory) -> None:
        product_id, _ = await inventory.stocked(450)
        ended = [reservation(uuid7(), [(product_id, 1)], minutes=-1) for _ in range(450)]
        await inventory.deliver(*ended)
        await use_cases.expire(inventory.runtime)
        assert len(await inventory.served.events(ReservationExpired)) == 450
        assert await inventory.level(product_id) == (450, 0)
        assert all(each.reserved_until < utcnow() + timedelta(seconds=1) for each in ended)


async def test_the_list_can_be_filtered_by_status(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(1)
    held, rejected = uuid7(), uuid7()
    await inventory.deliver(reservation(held, [(product_id, 1)]), reservation(rejected, [(product_id, 1)]))
    answer = await inventory.staff.get("/reservations", params={"status": "rejected"})
    (found,) = answer.json()["items"]
    assert (found["order_id"], found["reserved_until"]) == (str(rejected), None)
    assert found["lacking"] == [{"product_id": str(product_id), "requested": 1, "available": 0}]
    assert len((await inventory.staff.get("/reservations")).json()["items"]) == 2
    assert (await inventory.staff.get(f"/reservations/{uuid4()}")).status_code == 404
    assert (await inventory.served.caller().get("/reservations")).status_code == 403
