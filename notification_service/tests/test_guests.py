"""Mails to guests, and what becomes of their notifications when they become part of an account."""

from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest

from contracts.events.order_notification import OrderCancelled, OrderPaid, OrderPlaced
from contracts.events.users import UserChanged, UserErased, UserMerged
from notification_service.personal_data import PERSONAL_DATA
from notification_service.tests.conftest import ADDRESS, Shop, example, inbox
from service_kit.personal_data.consumers import merge_again
from tests.harness.service import Caller

GINA = "gina@example.com"
SPAM = "buy at spam.test"


async def guest(shop: Shop, email: str = GINA, **changes: Any) -> Caller:
    caller = shop.served.caller(role="Guest")
    event = example(UserChanged, user_id=caller.user_id, version=1, email=email, full_name="", roles=["Guest"])
    await shop.deliver(event.model_copy(update={"email_verified": False, **changes}))
    return caller


def text_of(mail: EmailMessage) -> str:
    """All that its reader sees, as text and as HTML."""
    return "".join(str(part.get_content()) for part in mail.walk() if not part.is_multipart())


async def merge(shop: Shop, of: Caller, into: Caller, version: int = 5) -> None:
    await shop.deliver(UserMerged(user_id=of.user_id, into=into.user_id, version=version))


async def place(shop: Shop, customer: Caller) -> None:
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))


async def test_mails_about_a_guests_orders_leave_though_the_address_is_not_confirmed(shop: Shop) -> None:
    await place(shop, await guest(shop))
    await place(shop, await shop.customer(verified=False))
    await shop.send_mail()
    [mail] = shop.office.mails_to(GINA)
    assert str(mail["Subject"]).startswith("We have received your order")
    assert shop.office.mails_to(ADDRESS) == []


async def test_mails_to_an_unconfirmed_address_have_no_words_of_the_customer(shop: Shop) -> None:
    """Anyone could have mails with their own text sent to strangers otherwise."""
    unconfirmed, confirmed = await guest(shop), await guest(shop, ADDRESS, email_verified=True)
    placed, cancelled = example(OrderPlaced), example(OrderCancelled)
    assert placed.ship_to is not None
    ship_to = placed.ship_to.model_copy(update={"name": SPAM})
    for each in (unconfirmed, confirmed):
        await shop.deliver(placed.model_copy(update={"customer_id": each.user_id, "ship_to": ship_to}))
        await shop.deliver(cancelled.model_copy(update={"customer_id": each.user_id, "reason": SPAM}))
    await shop.send_mail()
    assert len(shop.office.mails_to(GINA)) == len(shop.office.mails_to(ADDRESS)) == 2
    assert [SPAM in text_of(mail) for mail in shop.office.mails_to(GINA)] == [False, False]
    assert [SPAM in text_of(mail) for mail in shop.office.mails_to(ADDRESS)] == [True, True]


async def test_a_guest_gets_the_mails_of_earlier_orders_once_it_gives_an_address(shop: Shop) -> None:
    caller = shop.served.caller(role="Guest")
    await place(shop, caller)
    await shop.send_mail()
    event = example(UserChanged, user_id=caller.user_id, version=1, email=GINA, roles=["Guest"], email_verified=False)
    await shop.deliver(event)
    await shop.send_mail()
    assert len(shop.office.mails_to(GINA)) == 1


async def test_a_merge_moves_inbox_deliveries_and_preferences(shop: Shop) -> None:
    ada, of = await shop.customer(), await guest(shop)
    await place(shop, of)
    off = {"items": [{"kind": "order.paid", "channel": "email", "enabled": False}]}
    assert (await of.client.put("/preferences", json=off)).is_success
    for _ in range(2):
        await merge(shop, of, ada)
        assert len((await inbox(ada))["items"]) == 1
    assert [each["customer_id"] for each in await shop.deliveries()] == [str(ada.user_id)]
    kept = {each["kind"]: each["enabled"] for each in (await ada.get("/preferences")).json()["items"]}
    assert kept["order.paid"] is False
    await shop.send_mail()
    assert (len(shop.office.mails_to(ADDRESS)), shop.office.mails_to(GINA)) == (1, [])


async def test_the_accounts_own_preferences_stay(shop: Shop) -> None:
    ada, of = await shop.customer(), await guest(shop)
    for each, kind in ((ada, "order.placed"), (of, "order.paid")):
        body = {"items": [{"kind": kind, "channel": "email", "enabled": False}]}
        assert (await each.client.put("/preferences", json=body)).is_success
    await merge(shop, of, ada)
    kept = [each["kind"] for each in (await ada.get("/preferences")).json()["items"] if not each["enabled"]]
    assert kept == ["order.placed"]
    assert await shop.sql("SELECT FROM preferences WHERE customer_id = $1", of.user_id) == []


async def test_what_arrives_for_the_guest_later_is_moved_too_and_told(shop: Shop) -> None:
    """The order service publishes events that name the guest until it has handled the merge itself."""
    ada, of = await shop.customer(), await guest(shop)
    await merge(shop, of, ada)
    await shop.deliver(example(OrderPaid, customer_id=of.user_id))
    await shop.deliver(example(UserChanged, user_id=of.user_id, version=4, email=GINA, roles=["Guest"]))
    await merge_again(shop.served.runtime, PERSONAL_DATA)
    assert len((await inbox(ada))["items"]) == 1
    await shop.send_mail()
    assert (len(shop.office.mails_to(ADDRESS)), shop.office.mails_to(GINA)) == (1, [])
    [row] = await shop.sql("SELECT email, full_name FROM recipients WHERE customer_id = $1", of.user_id)
    assert tuple(row) == (None, None), "a late snapshot does not revive the guest"


@pytest.mark.parametrize("erased", ["before", "after"])
async def test_nothing_is_left_if_the_account_is_erased(shop: Shop, erased: str) -> None:
    ada, of = await shop.customer(), await guest(shop)
    await place(shop, of)
    await place(shop, ada)
    if erased == "before":
        await shop.deliver(UserErased(user_id=ada.user_id, version=9))
    await merge(shop, of, ada)
    if erased == "after":
        await shop.deliver(UserErased(user_id=ada.user_id, version=9))
    await shop.deliver(example(OrderPaid, customer_id=of.user_id))
    await merge_again(shop.served.runtime, PERSONAL_DATA)
    for table in ("notifications", "deliveries", "preferences"):
        assert await shop.sql(f"SELECT FROM {table}") == []
    assert await shop.sql("SELECT FROM recipients WHERE email IS NOT NULL") == []


async def test_a_guest_is_merged_before_the_account_is_known(shop: Shop) -> None:
    of, ada = await guest(shop), shop.served.caller()
    await place(shop, of)
    await merge(shop, of, ada)
    await shop.introduce(ada.user_id)
    assert len((await inbox(ada))["items"]) == 1
    assert (await shop.served.caller(user_id=uuid4()).get("/notifications")).json()["items"] == []
