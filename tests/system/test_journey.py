"""One order through five real processes, with the events and mails of each step."""

import asyncio
from functools import partial

from contracts.events import by_type
from contracts.events.users import SessionEnded
from tests.system.log import records_of
from tests.system.world import ADDRESS, Person, World, until

NOTIFIED = [
    "order.placed",
    "order.awaiting_payment",
    "order.paid",
    "shipment.dispatched",
    "shipment.delivered",
]


async def test_from_the_cart_to_the_refund(world: World) -> None:
    customer = await world.customer()
    lantern = await world.product(stock=10, price=339)
    await customer.call("order", "PUT", f"/cart/items/{lantern}", json={"quantity": 3})
    cart = await customer.call("order", "GET", "/cart")
    assert [(item["product_id"], item["quantity"]) for item in cart["items"]] == [(lantern, 3)]

    shown = {"cart_version": cart["version"], "expected_total": cart["total"]}
    body = {"from_cart": True, "ship_to": ADDRESS, **shown}
    placed = await customer.call("order", "POST", "/orders", json=body, headers={"Idempotency-Key": "first"})
    order_id = placed["id"]
    assert placed["total"] == {"amount": 3 * 339, "currency": "GBP"}
    assert (await customer.call("order", "GET", "/cart"))["items"] == []

    await customer.order_becomes(order_id, "awaiting_payment")
    assert await world.stock(lantern) == {"on_hand": 10, "reserved": 3, "available": 7}

    await customer.pay(order_id)
    await customer.order_becomes(order_id, "paid")
    await world.deliver(order_id)
    delivered = await customer.order_becomes(order_id, "delivered")
    assert (delivered["payment_status"], delivered["fulfilment_status"]) == ("paid", "delivered")
    assert await world.stock(lantern) == {"on_hand": 7, "reserved": 0, "available": 7}
    await world.wait_for_notifications(customer, NOTIFIED)

    [payment] = (await customer.call("order", "GET", f"/orders/{order_id}/payments"))["items"]
    headers = {"Idempotency-Key": "refund"}
    await world.staff.call("order", "POST", f"/payments/{payment['id']}/refunds", json={}, headers=headers)
    await until("refunded", lambda: _is(customer, order_id, "refunded"))
    await world.wait_for_notifications(customer, [*NOTIFIED, "payment.refunded"])
    history = (await customer.call("order", "GET", f"/orders/{order_id}/history"))["items"]
    seen = [entry["to_status"] for entry in history]
    assert [status for n, status in enumerate(seen) if n == 0 or status != seen[n - 1]] == [
        "pending", "awaiting_payment", "paid", "shipped", "delivered",
    ]  # fmt: skip


async def _is(customer: Person, order_id: str, payment_status: str) -> bool:
    order = await customer.call("order", "GET", f"/orders/{order_id}")
    return bool(order["payment_status"] == payment_status)


async def test_every_published_event_is_in_the_contracts(world: World) -> None:
    customer = await world.customer()
    product = await world.product(stock=5)
    order = await customer.order((product, 1))
    await customer.order_becomes(order["id"], "awaiting_payment")
    await customer.pay(order["id"])
    await customer.order_becomes(order["id"], "paid")
    await world.deliver(order["id"])
    await customer.order_becomes(order["id"], "delivered")

    async def found() -> list[str] | None:
        records = await records_of(world.shop.kafka, order["id"])
        types = [record.type for record in records]
        return types if {"mart.order.delivered.v1", "mart.invoice.issued.v1"} <= set(types) else None

    types = await until("the events", found)
    records = await records_of(world.shop.kafka, order["id"])
    for record in records:
        model = by_type(record.type)
        assert model is not None, record.type
        event = model.model_validate_json(record.value)
        assert record.topic == model.topic.name
        assert (record.source, record.subject) == (model.source, event.subject)
        assert record.traceparent
    assert len({record.id for record in records}) == len(records)
    assert sorted(types) == sorted(
        f"mart.{name}.v1"
        for name in (
            "order.placed", "reservation.requested", "reservation.accepted", "order.awaiting_payment",
            "payment.pending", "payment.succeeded", "order.paid", "fulfilment.requested", "shipment.created",
            "shipment.dispatched", "stock.deducted", "order.shipped", "shipment.delivered", "order.delivered",
            "invoice.issued",
        )
    )  # fmt: skip
    assert len({record.traceparent.split("-")[1] for record in records if record.traceparent}) > 1


async def test_a_verified_customer_gets_each_mail_once(world: World) -> None:
    body = {"email": "mail@example.com", "password": "correct horse battery", "full_name": "Ada King"}
    await world.staff.call("user", "POST", "/users", json=body)
    customer = await Person(world, body["email"], body["password"]).sign_in()
    product = await world.product(stock=1)
    await customer.order_becomes((await customer.order((product, 1)))["id"], "awaiting_payment")
    rejected = await customer.order((product, 1))
    await customer.order_becomes(rejected["id"], "rejected")

    async def mails() -> list[str] | None:
        answer = await world.http.get(f"{world.url('mailbox')}/messages", params={"to": body["email"]})
        subjects = [message["subject"] for message in answer.json()["items"]]
        return subjects if len(subjects) >= 4 else None

    assert len(await until("four mails", mails)) == 4
    counted = await world.http.get(
        f"{world.url('mailbox')}/messages/count", params={"distinct": True, "to": body["email"]}
    )
    assert counted.json()["count"] == 4


async def test_a_new_customer_confirms_the_address_and_then_chooses_a_new_password(world: World) -> None:
    customer = await world.customer()
    codes = [await world.mailed_code(customer.email, "Confirm your e-mail address")]
    await customer.call("user", "POST", "/auth/verify-email", json={"token": codes[0]})
    assert (await customer.call("user", "GET", "/users/me"))["email_verified"] is True

    await customer.call("user", "POST", "/auth/password-reset", json={"email": customer.email})
    codes.append(await world.mailed_code(customer.email, "Choose a new password"))
    new = {"token": codes[1], "new_password": "staple orbit lantern"}
    await customer.call("user", "POST", "/auth/password-reset/confirm", json=new)
    await Person(world, customer.email, new["new_password"]).sign_in()

    async def published() -> list[bytes] | None:
        records = [each for each in await records_of(world.shop.kafka) if each.subject == customer.id]
        values = [bytes(record.value) for record in records]
        return values if any(record.type == SessionEnded.type for record in records) else None

    committed = await until("the new password has ended the sessions", published)
    committed += [log.read_bytes() for log in world.shop.layout.logs.glob("*.log")]
    assert len(committed) > 8
    assert not [value for value in committed for code in codes if code.encode() in value]


async def test_of_two_buyers_of_the_last_piece_one_gets_it(world: World) -> None:
    buyers = [await world.customer() for _ in range(2)]
    for _ in range(20):
        product = await world.product(stock=1)
        orders = await asyncio.gather(*(buyer.order((product, 1)) for buyer in buyers))
        ends = await asyncio.gather(
            *(
                buyer.order_becomes(order["id"], "awaiting_payment", "rejected")
                for buyer, order in zip(buyers, orders, strict=True)
            )
        )
        assert sorted(order["status"] for order in ends) == ["awaiting_payment", "rejected"]
        assert await world.stock(product) == {"on_hand": 1, "reserved": 1, "available": 0}


async def test_twenty_concurrent_requests_with_one_key_make_one_order_and_one_charge(world: World) -> None:
    customer = await world.customer()
    product = await world.product(stock=50)
    orders = await asyncio.gather(*(customer.order((product, 1), key="same") for _ in range(20)))
    assert len({order["id"] for order in orders}) == 1
    order_id = orders[0]["id"]
    await customer.order_becomes(order_id, "awaiting_payment")
    payments = await asyncio.gather(*(customer.pay(order_id, key="same") for _ in range(20)))
    assert len({payment["id"] for payment in payments}) == 1
    await customer.order_becomes(order_id, "paid")
    assert (await world.stock(product))["reserved"] == 1


async def test_a_cancellation_and_a_dispatch_at_the_same_time_exclude_each_other(world: World) -> None:
    customer = await world.customer()
    for _ in range(10):
        product = await world.product(stock=1)
        order = await customer.order((product, 1), payment_token="tok_ok")
        await customer.order_becomes(order["id"], "paid")
        [shipment] = await world.shipments_of(order["id"])
        path, parcel = f"/shipments/{shipment['id']}/dispatch", {"carrier": "DHL", "tracking_number": "1"}
        cancelled, dispatched = await asyncio.gather(
            customer.ask("order", "POST", f"/orders/{order['id']}/cancel", json={}),
            world.staff.ask("inventory", "POST", path, json=parcel),
        )
        end = await customer.order_becomes(order["id"], "shipped", "cancelled")
        left = await world.stock(product)
        if end["status"] == "shipped":
            assert dispatched.is_success
            assert left == {"on_hand": 0, "reserved": 0, "available": 0}
        else:
            assert cancelled.status_code == 202
            assert not dispatched.is_success
            assert left == {"on_hand": 1, "reserved": 0, "available": 1}
            await until("refunded", partial(_is, customer, order["id"], "refunded"))
