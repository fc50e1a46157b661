"""Deliveries by e-mail, through a real mail server."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from contracts.events.order_notification import OrderPaid, OrderPlaced, OrderRejected
from contracts.events.payment_status import PaymentFailed
from notification_service.tests.conftest import ADDRESS, Shop, example, inbox, open_shop, record, until
from service_kit import queue
from service_kit.ids import uuid7
from service_kit.mail import MAIL_BACKOFF
from service_kit.queue import Queue

WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_mail_and_inbox_have_the_same_text(shop: Shop) -> None:
    customer = await shop.customer()
    id = uuid7()
    await shop.deliver(example(OrderPaid, customer_id=customer.user_id), id)
    await shop.send_mail()

    (mail,) = shop.office.mails
    (item,) = (await inbox(customer))["items"]
    assert mail["Message-ID"] == f"<{id}.email@mart.test>"
    assert mail["To"] == f"Ada Lovelace <{ADDRESS}>"
    assert mail["From"] == "Online Mart <no-reply@mart.test>"
    assert mail["Subject"] == item["title"]
    text, html = (mail.get_body([kind]) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert item["body"] in text.get_content().replace("\r\n", "\n")
    assert "<td>GBP 20.30</td>" in html.get_content()

    (delivery,) = await shop.deliveries()
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("sent", 1, None)
    assert delivery["sent_at"] is not None
    assert delivery["next_attempt_at"] is None


async def test_text_of_others_is_escaped_in_html(shop: Shop) -> None:
    customer = await shop.customer()
    line = example(OrderRejected).lines[0].model_copy(update={"name": "<script>alert(1)</script>"})
    await shop.deliver(example(OrderRejected, customer_id=customer.user_id, lines=[line]))
    await shop.send_mail()
    html = shop.office.mails[0].get_body(["html"])
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


async def test_of_successive_failed_payments_only_the_first_is_mailed(shop: Shop) -> None:
    """A paid or a new order ends the succession. The inbox has all of them."""
    customer = await shop.customer()
    mine = {"customer_id": customer.user_id}
    for kind in (OrderPlaced, PaymentFailed, PaymentFailed, OrderPaid, PaymentFailed, OrderPlaced):
        await shop.deliver(example(kind, **mine))
    await shop.receive(*(record(example(PaymentFailed, **mine)) for _ in range(5)))
    await shop.deliver(example(PaymentFailed, **mine))
    await shop.deliver(example(PaymentFailed, customer_id=(await shop.customer(email="b@example.com")).user_id))
    assert [item["kind"] for item in (await inbox(customer))["items"]].count("payment.failed") == 9
    mailed = [delivery["kind"] for delivery in reversed(await shop.deliveries(customer_id=str(customer.user_id)))]
    of_money = [kind for kind in mailed if kind in ("payment.failed", "order.paid", "order.placed")]
    assert of_money == [
        "order.placed", "payment.failed", "order.paid", "payment.failed", "order.placed", "payment.failed",
    ]  # fmt: skip
    assert [delivery["kind"] for delivery in await shop.deliveries()].count("payment.failed") == 4


async def test_of_hidden_failed_payments_only_the_first_is_mailed(shop: Shop) -> None:
    stranger = shop.served.caller()
    for kind in (OrderPlaced, PaymentFailed, PaymentFailed, PaymentFailed):
        await shop.deliver(example(kind, customer_id=stranger.user_id))
    await shop.introduce(stranger.user_id)
    assert sorted(each["kind"] for each in await shop.deliveries()) == ["order.placed", "payment.failed"]


async def test_concurrent_senders_send_each_mail_once(shop: Shop) -> None:
    customer = await shop.customer()
    shop.office.delay = 0.01
    await shop.receive(*(record(example(OrderPlaced, customer_id=customer.user_id)) for _ in range(60)))
    await asyncio.gather(*(shop.send_mail() for _ in range(3)))
    ids = [mail["Message-ID"] for mail in shop.office.mails]
    assert len(ids) == len(set(ids)) == 60
    assert 1 < shop.office.most_at_once <= 8
    assert shop.office.connections <= 8


async def test_names_and_addresses_may_have_any_characters(shop: Shop) -> None:
    name = "Zoë, \r\nBcc: all@example.com" + " Zoë" * 40
    for email in ("zoe@example.com", "zoë@example.com"):
        customer = await shop.customer(email=email)
        await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    await shop.sql("UPDATE recipients SET full_name = $1", name)
    await shop.send_mail()
    plain, accented = sorted(shop.office.mails, key=lambda mail: "ë@" in mail["To"])
    (to,) = plain["To"].addresses
    assert (to.display_name, to.addr_spec) == (" ".join(name.split()), "zoe@example.com")
    assert "zoë@example.com" in accented["To"]
    assert plain["Bcc"] is accented["Bcc"] is None


async def test_a_temporary_rejection_is_retried(shop: Shop) -> None:
    customer = await shop.customer()
    shop.office.answer = lambda _: "451 4.3.0 come back later"
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    await shop.send_mail()
    await shop.send_mail()  # it is not due yet
    (delivery,) = await shop.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    assert "come back later" in delivery["error"]
    assert delivery["next_attempt_at"] is not None

    shop.office.answer = lambda _: None
    await shop.make_due()
    await shop.send_mail()
    assert len(shop.office.mails) == 1
    (delivery,) = await shop.deliveries(status="sent")
    assert (delivery["attempts"], delivery["error"]) == (2, None)


async def test_a_delivery_fails_after_its_last_attempt(shop: Shop) -> None:
    customer = await shop.customer()
    shop.office.answer = lambda _: "451 4.3.0 come back later"
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    assert MAIL_BACKOFF.attempts
    for _ in range(MAIL_BACKOFF.attempts + 1):
        await shop.make_due()
        await shop.send_mail()
    (delivery,) = await shop.deliveries(status="failed")
    assert delivery["attempts"] == MAIL_BACKOFF.attempts


async def test_a_permanent_rejection_fails_only_that_mail(shop: Shop) -> None:
    gone, other = await shop.customer(email="gone@example.com"), await shop.customer(email="other@example.com")
    shop.office.answer = lambda to: "550 5.1.1 no such mailbox" if to.startswith("gone") else None
    for caller in (gone, other):
        await shop.deliver(example(OrderPlaced, customer_id=caller.user_id))
    await shop.send_mail()
    by_address = {delivery["address"]: delivery for delivery in await shop.deliveries()}
    assert by_address["gone@example.com"]["status"] == "failed"
    assert "no such mailbox" in by_address["gone@example.com"]["error"]
    assert by_address["other@example.com"]["status"] == "sent"


async def test_an_invalid_address_fails_only_that_mail(shop: Shop) -> None:
    broken, other = await shop.customer(email="no address\r\nBcc: all@example.com"), await shop.customer()
    for caller in (broken, other):
        await shop.deliver(example(OrderPlaced, customer_id=caller.user_id))
    await shop.send_mail()
    assert len(shop.office.mails) == 1
    (delivery,) = await shop.deliveries(status="failed")
    assert "can't be used" in delivery["error"]


async def test_a_crash_before_the_commit_sends_the_same_message_again(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    shop.office.may_answer.clear()
    sending = asyncio.create_task(shop.send_mail())
    await until(lambda: shop.office.mails)
    async with shop.served.runtime.database.transaction() as other:
        await other.fetch("SELECT FROM deliveries FOR UPDATE")
        shop.office.may_answer.set()
        # After the server's 250 the sender waits for the locked row, and is killed.
        await until(lambda: shop.sql(WAITING))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    (delivery,) = await shop.deliveries()
    assert delivery["status"] == "pending"
    await shop.send_mail()  # its lease has not ended
    assert len(shop.office.mails) == 1
    await shop.make_due()
    await shop.send_mail()
    first, second = shop.office.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]
    assert len(await shop.deliveries(status="sent")) == 1


async def test_a_lease_is_renewed_until_its_process_dies(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=0.6))
    customer = await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    shop.office.may_answer.clear()
    sending = asyncio.create_task(shop.send_mail())
    [(first,)] = await until(lambda: shop.sql("SELECT next_attempt_at FROM deliveries WHERE next_attempt_at > now()"))
    await until(
        lambda: shop.sql("SELECT FROM deliveries WHERE next_attempt_at > $1::timestamptz + interval '1 second'", first)
    )
    await shop.send_mail()  # another process: nothing is due
    assert len(shop.office.mails) == 1

    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    shop.office.may_answer.set()
    await until(lambda: shop.sql("SELECT FROM deliveries WHERE next_attempt_at < now()"))
    await shop.send_mail()
    assert len(shop.office.mails) == 2
    assert len(await shop.deliveries(status="sent")) == 1


async def test_a_suspended_process_sends_nothing_that_another_has_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=0.6))
    async with open_shop(smtp_connections=1) as shop:
        customer = await shop.customer()
        for _ in range(3):
            await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
        shop.office.may_answer.clear()
        sending = asyncio.create_task(shop.send_mail())
        await until(lambda: shop.office.mails)
        await shop.sql("UPDATE deliveries SET next_attempt_at = now() + interval '1 hour'")  # another's lease
        renewed = Queue.renew
        asked = asyncio.Event()

        async def renew(*arguments: Any) -> Any:
            found = await renewed(*arguments)
            asked.set()
            return found

        monkeypatch.setattr(Queue, "renew", renew)
        await asked.wait()
        shop.office.may_answer.set()
        await sending
        assert len(shop.office.mails) == 1
        assert len(await shop.deliveries(status="sent")) == 1
        held = "SELECT FROM deliveries WHERE status = 'pending' AND next_attempt_at > now() + interval '50 minutes'"
        assert len(await shop.sql(held)) == 2


async def test_an_unreachable_server_is_not_counted_as_an_attempt(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.office.close()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    await shop.send_mail()
    (delivery,) = await shop.deliveries()
    assert (delivery["status"], delivery["attempts"]) == ("pending", 0)
    assert delivery["error"]

    await shop.office.open()
    await shop.make_due()
    await shop.send_mail()
    assert len(shop.office.mails) == 1


async def test_mail_to_an_unverified_address_is_withheld(shop: Shop) -> None:
    customer = await shop.customer(verified=False)
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    await shop.send_mail()
    assert (await inbox(customer))["unread"] == 1
    (delivery,) = await shop.deliveries()
    assert (delivery["status"], delivery["error"]) == ("withheld", "the address is not verified")
    assert shop.office.mails == []


async def test_mail_is_sent_to_the_present_address_if_it_is_verified(shop: Shop) -> None:
    moved, unverified = await shop.customer(email="old@example.com"), await shop.customer(email="ada2@example.com")
    for caller in (moved, unverified):
        await shop.deliver(example(OrderPlaced, customer_id=caller.user_id))
    await shop.introduce(moved.user_id, version=2, email="new@example.com")
    await shop.introduce(unverified.user_id, version=2, email="other@example.com", verified=False)
    await shop.send_mail()
    assert [mail["To"].addresses[0].addr_spec for mail in shop.office.mails] == ["new@example.com"]
    assert [delivery["status"] for delivery in await shop.deliveries(customer_id=str(unverified.user_id))] == [
        "withheld"
    ]


async def test_staff_send_a_delivery_again(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    (delivery,) = await shop.deliveries()
    path = f"/deliveries/{delivery['id']}/send"
    assert (await shop.staff.post(path)).json()["type"] == "/problems/delivery-under-way"
    await shop.send_mail()
    assert (await shop.staff.post(path)).status_code == 202
    await shop.send_mail()
    first, second = shop.office.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert (await shop.staff.post(f"/deliveries/{uuid7()}/send")).status_code == 404


async def test_customers_cannot_read_or_send_deliveries(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    (delivery,) = await shop.deliveries()
    assert (await customer.get("/deliveries")).status_code == 403
    assert (await customer.post(f"/deliveries/{delivery['id']}/send")).status_code == 403


async def test_connections_are_reused_and_replaced_when_the_server_closes_them() -> None:
    async with open_shop(smtp_connections=1) as shop:
        customer = await shop.customer()
        for _ in range(3):
            await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
            await shop.send_mail()
        assert shop.office.connections == 1

        def hang_up(_: str) -> Any:
            raise ConnectionResetError

        shop.office.answer = hang_up
        await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
        await shop.send_mail()
        shop.office.answer = lambda _: None
        await shop.make_due()
        await shop.send_mail()
        assert len(shop.office.mails) == 4
