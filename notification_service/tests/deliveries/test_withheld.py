"""Mails that are withheld until their address is confirmed."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from contracts.events import Event
from contracts.events.order_notification import OrderAwaitingPayment, OrderExpired, OrderPaid, OrderPlaced
from contracts.events.payment_status import PaymentFailed
from contracts.events.shipment_notification import ShipmentDispatched
from notification_service.deliveries import queries
from notification_service.deliveries.models import Status
from notification_service.deliveries.withheld import release_withheld
from notification_service.tests.conftest import ADDRESS, Shop, example, open_shop, until
from tests.harness.service import Caller

STORY = (OrderPlaced, OrderAwaitingPayment, PaymentFailed, OrderPaid, ShipmentDispatched)
OF_USE = ["order.placed", "order.paid", "shipment.dispatched"]


async def deliver(shop: Shop, caller: Caller, *kinds: type[Event], order_id: UUID | None = None) -> None:
    order_id = order_id or uuid4()
    for kind in kinds:
        await shop.deliver(example(kind, customer_id=caller.user_id, order_id=order_id))


async def confirm(shop: Shop, caller: Caller, version: int = 2) -> None:
    await shop.introduce(caller.user_id, version=version, verified=True)
    await release_withheld(shop.served.runtime)


async def kinds_sent(shop: Shop) -> list[str]:
    """The kinds of the mails that arrived, in order."""
    kind_of = {f"<{each['event_id']}.email@mart.test>": each["kind"] for each in await shop.deliveries(limit=100)}
    return [kind_of[mail["Message-ID"]] for mail in shop.office.mails]


async def test_confirmation_sends_withheld_mails_in_order_except_obsolete_ones(shop: Shop) -> None:
    ada = await shop.customer(verified=False)
    await deliver(shop, ada, *STORY)
    await shop.send_mail()
    assert shop.office.mails == []
    await confirm(shop, ada)
    await shop.send_mail()
    assert await kinds_sent(shop) == OF_USE
    left = await shop.deliveries(status="withheld")
    assert {each["kind"] for each in left} == {"order.awaiting_payment", "payment.failed"}
    assert all("no longer of use" in each["error"] for each in left)
    await confirm(shop, ada, version=3)
    await shop.send_mail()
    assert len(shop.office.mails) == len(OF_USE), "once"


async def test_released_mails_stay_in_order_while_the_first_is_retried(shop: Shop) -> None:
    ada = await shop.customer(verified=False)
    for _ in range(10):
        await deliver(shop, ada, OrderPlaced)
    answers = iter(["451 4.3.0 come back later"])
    shop.office.answer = lambda _: next(answers, None)
    await confirm(shop, ada)
    await shop.send_mail()
    assert shop.office.mails == [], "the others wait for the first"
    await shop.make_due()
    await shop.send_mail()
    rows = await shop.sql("SELECT event_id FROM notifications ORDER BY created_at")
    assert [mail["Message-ID"] for mail in shop.office.mails] == [f"<{row[0]}.email@mart.test>" for row in rows]


async def test_mails_become_obsolete_by_events_of_the_same_order_only(shop: Shop) -> None:
    ada = await shop.customer(verified=False)
    await deliver(shop, ada, OrderPlaced, OrderAwaitingPayment)
    await deliver(shop, ada, OrderPlaced, OrderAwaitingPayment, OrderExpired)
    await confirm(shop, ada)
    await shop.send_mail()
    assert await kinds_sent(shop) == ["order.placed", "order.awaiting_payment", "order.expired"]


async def test_old_and_disabled_mails_are_not_released(shop: Shop) -> None:
    ada = await shop.customer(verified=False)
    await deliver(shop, ada, OrderPlaced)
    await shop.sql("UPDATE notifications SET created_at = created_at - interval '14 days 1 minute'")
    await deliver(shop, ada, OrderPaid)
    await shop.sql("INSERT INTO preferences VALUES ($1, '{order.paid}', 1)", ada.user_id)
    await confirm(shop, ada)
    await shop.send_mail()
    assert shop.office.mails == []
    assert len(await shop.deliveries(status="withheld")) == 2


async def test_no_mails_are_released_if_the_limit_of_their_age_is_zero() -> None:
    async with open_shop(withheld_mail_days=0) as shop:
        ada = await shop.customer(verified=False)
        await deliver(shop, ada, OrderPaid)
        await confirm(shop, ada)
        await shop.send_mail()
        assert shop.office.mails == []


async def test_mails_of_other_customers_stay_withheld(shop: Shop) -> None:
    ada, eve = await shop.customer(verified=False), await shop.customer(verified=False, email="eve@example.com")
    for caller in (ada, eve):
        await deliver(shop, caller, OrderPaid)
    await confirm(shop, ada)
    await shop.send_mail()
    assert [mail["To"] for mail in shop.office.mails] == [f"Ada Lovelace <{ADDRESS}>"]


async def test_a_mail_that_is_withheld_while_its_address_is_confirmed_is_sent(shop: Shop, monkeypatch: Any) -> None:
    """Staff send it again. The address is confirmed after the sender has read that it is not, and before its commit."""
    ada = await shop.customer(verified=False)
    await deliver(shop, ada, OrderPaid)
    [delivery] = await shop.deliveries()
    assert (await shop.staff.post(f"/deliveries/{delivery['id']}/send")).status_code == 202
    finish, may_go_on, has_found = queries.finish, asyncio.Event(), asyncio.Event()

    async def late(*arguments: Any) -> None:
        has_found.set()
        await may_go_on.wait()
        await finish(*arguments)

    monkeypatch.setattr(queries, "finish", late)
    sending = asyncio.create_task(shop.send_mail())
    await has_found.wait()
    await confirm(shop, ada)
    may_go_on.set()
    await sending
    assert (await shop.deliveries())[0]["status"] == Status.WITHHELD
    monkeypatch.undo()
    await release_withheld(shop.served.runtime)
    await shop.send_mail()
    assert len(shop.office.mails) == 1


async def test_the_jobs_release_and_send_withheld_mails() -> None:
    """In a worker process, which runs them by itself."""
    async with open_shop(service_role="all") as shop:
        ada = await shop.customer(verified=False)
        await deliver(shop, ada, OrderPlaced, OrderPaid)
        await shop.introduce(ada.user_id, version=2, verified=True)
        await until(lambda: len(shop.office.mails) == 2)
        assert await kinds_sent(shop) == ["order.placed", "order.paid"]
