"""Notifications: one for each event and its customer."""

import asyncio
from uuid import UUID, uuid4

import pytest

from contracts.events import EVENTS, Event
from contracts.events.order_notification import (
    InvoiceIssued,
    OrderAwaitingPayment,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
)
from contracts.events.payment_status import PaymentFailed, PaymentRefunded, PaymentSucceeded
from notification_service.kinds import MAIL_ONLY, Kind
from notification_service.tests.conftest import Shop, example, inbox, record
from service_kit.ids import uuid7

NOTIFIED = [event for event in EVENTS if event.notifies_customer]


def test_every_event_for_customers_has_one_notification_kind() -> None:
    assert {Kind.of(event) for event in NOTIFIED} == set(Kind)
    assert len(NOTIFIED) == 17


@pytest.mark.parametrize(
    "kind", [event for event in NOTIFIED if Kind.of(event) not in MAIL_ONLY], ids=lambda kind: kind.type
)
async def test_the_customer_is_notified(shop: Shop, kind: type[Event], order_id: UUID) -> None:
    customer = await shop.customer()
    await shop.deliver(example(kind, customer_id=customer.user_id, order_id=order_id))
    found = await inbox(customer)
    assert found["unread"] == 1
    (item,) = found["items"]
    assert item["kind"] == Kind.of(kind)
    assert item["order_id"] == str(order_id)
    assert item["read_at"] is None
    assert "100042" in item["title"]
    assert "100042" in item["body"]


async def test_invoices_are_mailed_as_a_link_and_are_not_in_the_inbox(shop: Shop) -> None:
    customer = await shop.customer()
    event = example(InvoiceIssued, customer_id=customer.user_id)
    await shop.deliver(event)
    await shop.deliver(example(InvoiceIssued, customer_id=customer.user_id, credit_note=True), uuid7())
    assert await inbox(customer) == {"items": [], "next": None, "unread": 0}
    assert (await customer.post("/notifications/read-all")).json() == {"marked": 0}
    [id] = await shop.sql("SELECT id FROM notifications LIMIT 1")
    assert (await customer.post(f"/notifications/{id[0]}/read")).status_code == 404

    await shop.send_mail()
    first, second = sorted(shop.office.mails, key=lambda mail: str(mail["Subject"]), reverse=True)
    assert first["Subject"] == "Invoice INV-2026-000042 for your order 100042"
    assert second["Subject"] == "Credit note INV-2026-000042 for your order 100042"
    for form in ("plain", "html"):
        part = first.get_body([form])
        assert part is not None
        assert event.link in part.get_content()


async def test_customers_can_do_without_mails_of_invoices(shop: Shop) -> None:
    customer = await shop.customer()
    off = {"kind": "invoice.issued", "channel": "email", "enabled": False}
    assert (await customer.put("/preferences", json={"items": [off]})).status_code == 200
    await shop.deliver(example(InvoiceIssued, customer_id=customer.user_id))
    assert await shop.deliveries() == []


async def test_internal_events_notify_nobody(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.deliver(example(OrderShipped, customer_id=customer.user_id))
    await shop.deliver(example(PaymentSucceeded, customer_id=customer.user_id))
    assert (await inbox(customer))["items"] == []


async def test_duplicates_notify_once(shop: Shop) -> None:
    customer = await shop.customer()
    event = example(OrderPlaced, customer_id=customer.user_id)
    duplicate = record(event, uuid7())
    await shop.receive(duplicate, duplicate, record(event), duplicate)
    await shop.receive(duplicate)
    await asyncio.gather(*(shop.receive(duplicate, record(event)) for _ in range(4)))
    assert len((await inbox(customer))["items"]) == 2 + 4
    assert len(await shop.deliveries()) == 2 + 4


async def test_a_replay_after_inbox_pruning_notifies_once(shop: Shop) -> None:
    customer = await shop.customer()
    once = record(example(OrderPaid, customer_id=customer.user_id))
    await shop.receive(once)
    await shop.sql("DELETE FROM inbox")
    await shop.receive(once)
    assert len((await inbox(customer))["items"]) == 1
    assert len(await shop.deliveries()) == 1


async def test_notifications_are_hidden_until_the_customer_is_known(shop: Shop) -> None:
    stranger = shop.served.caller()
    await shop.deliver(example(OrderPlaced, customer_id=stranger.user_id))
    assert await inbox(stranger) == {"items": [], "next": None, "unread": 0}
    assert await shop.deliveries() == []

    await shop.introduce(stranger.user_id)
    await shop.introduce(stranger.user_id, version=2)
    assert (await inbox(stranger))["unread"] == 1
    assert len(await shop.deliveries()) == 1


async def test_an_event_that_arrives_together_with_its_customer_is_shown(shop: Shop) -> None:
    for _ in range(20):
        callers = [shop.served.caller() for _ in range(3)]
        await asyncio.gather(
            shop.receive(*(record(example(OrderPlaced, customer_id=each.user_id)) for each in callers)),
            *(shop.introduce(each.user_id) for each in reversed(callers)),
        )
        for each in callers:
            assert (await inbox(each))["unread"] == 1
    assert len(await shop.sql("SELECT FROM deliveries")) == 60


async def test_external_payment_reports_notify_nobody(shop: Shop) -> None:
    customer = await shop.customer()
    outside = "/acquirer"
    await shop.deliver(example(PaymentFailed, customer_id=None, number=None), source=outside)
    await shop.deliver(example(PaymentRefunded, customer_id=customer.user_id), source=outside)
    assert (await inbox(customer))["items"] == []
    assert len(await shop.sql("SELECT FROM notifications")) == 0

    await shop.deliver(example(PaymentRefunded, customer_id=customer.user_id))
    assert (await inbox(customer))["items"][0]["kind"] == "payment.refunded"


async def test_an_erasure_deletes_all_data_of_the_customer_for_good(shop: Shop) -> None:
    customer, other = await shop.customer(), await shop.customer(email="other@example.com")
    for each in (customer, other):
        await shop.deliver(example(OrderPlaced, customer_id=each.user_id))
    await customer.put("/preferences", json={"items": []})
    await shop.send_mail()

    await shop.erase(customer.user_id)
    await shop.deliver(example(OrderPaid, customer_id=customer.user_id))
    await shop.introduce(customer.user_id, version=3)  # a snapshot from before the erasure, read again
    await shop.introduce(customer.user_id, version=10)  # even one with a higher version

    for table in ("notifications", "deliveries", "preferences"):
        assert await shop.sql(f"SELECT FROM {table} WHERE customer_id = $1", customer.user_id) == [], table
    (row,) = await shop.sql("SELECT email, full_name, erased FROM recipients WHERE customer_id = $1", customer.user_id)
    assert tuple(row) == (None, None, True)
    assert len((await inbox(other))["items"]) == 1


async def test_an_erasure_deletes_hidden_notifications(shop: Shop) -> None:
    stranger = uuid4()
    await shop.deliver(example(OrderPlaced, customer_id=stranger))
    await shop.erase(stranger)
    assert await shop.sql("SELECT FROM notifications") == []


async def test_notifications_are_marked_as_read(shop: Shop) -> None:
    customer = await shop.customer()
    for kind in (OrderPlaced, OrderAwaitingPayment, OrderPaid):
        await shop.deliver(example(kind, customer_id=customer.user_id))
    newest = (await inbox(customer))["items"][0]
    assert newest["kind"] == "order.paid"

    first = await customer.post(f"/notifications/{newest['id']}/read")
    again = await customer.post(f"/notifications/{newest['id']}/read")
    assert first.status_code == 200
    assert first.json()["read_at"] == again.json()["read_at"] is not None

    assert (await inbox(customer, unread=True))["unread"] == 2
    assert [item["kind"] for item in (await inbox(customer, unread=False))["items"]] == ["order.paid"]
    assert len((await inbox(customer, unread=True))["items"]) == 2

    assert (await customer.post("/notifications/read-all")).json() == {"marked": 2}
    assert (await customer.post("/notifications/read-all")).json() == {"marked": 0}
    assert (await inbox(customer))["unread"] == 0


async def test_others_notifications_are_not_found(shop: Shop) -> None:
    customer, other = await shop.customer(), await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    (item,) = (await inbox(customer))["items"]

    for caller in (other, shop.staff):
        answer = await caller.post(f"/notifications/{item['id']}/read")
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/not-found"
    assert (await other.get("/notifications", params={"customer_id": str(customer.user_id)})).status_code == 403
    assert (await inbox(other, order_id=item["order_id"]))["items"] == []
    assert (await other.post("/notifications/read-all")).json() == {"marked": 0}
    assert (await inbox(customer))["unread"] == 1
    assert (await shop.served.anonymous.get("/notifications")).status_code == 401


async def test_staff_see_a_users_and_an_orders_notifications(shop: Shop, order_id: UUID) -> None:
    customer, other = await shop.customer(), await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id, order_id=order_id))
    await shop.deliver(example(OrderPlaced, customer_id=other.user_id))
    assert len((await inbox(shop.staff, customer_id=str(customer.user_id)))["items"]) == 1
    assert len((await inbox(shop.staff, order_id=str(order_id)))["items"]) == 1
    both = {"order_id": str(order_id), "customer_id": str(other.user_id)}
    assert await inbox(shop.staff, **both) == {"items": [], "next": None, "unread": 0}
    assert (await inbox(shop.staff))["items"] == []


async def test_pages_hold_every_notification_once(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.receive(*(record(example(OrderPlaced, customer_id=customer.user_id)) for _ in range(7)))
    seen, cursor = [], None
    while True:
        answer = await inbox(customer, limit=3, unread=True, **({"cursor": cursor} if cursor else {}))
        assert answer["unread"] == 7
        seen += [item["id"] for item in answer["items"]]
        if not (cursor := answer["next"]):
            break
    assert len(seen) == len(set(seen)) == 7
    assert (await customer.get("/notifications", params={"cursor": "nonsense"})).status_code == 400
