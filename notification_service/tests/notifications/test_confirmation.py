"""Mails about a new order: its lines, its address, and whether it has to be paid."""

from typing import Any

import pytest

from contracts.events.order_notification import OrderAwaitingPayment, OrderPlaced
from contracts.money import Money
from notification_service.tests.conftest import Shop, example, inbox


async def confirmation(shop: Shop, **changes: Any) -> tuple[str, str]:
    """The mail about an order that was placed, as text and as HTML."""
    customer = await shop.customer()
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id, **changes))
    await shop.send_mail()
    text, html = (shop.office.mails[-1].get_body([kind]) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return text.get_content().replace("\r\n", "\n"), html.get_content()


async def test_the_confirmation_names_products_prices_and_the_address(shop: Shop) -> None:
    text, html = await confirmation(shop)
    assert "6 x White hanging heart T-light holder (85123A), GBP 2.55 each: GBP 15.30\n" in text
    assert "\nDiscount: -GBP 1.50\nShipping: GBP 3.99\nTotal: GBP 22.79\nTax in it: GBP 3.80\n" in text
    address = "Ada Lovelace\nAnalytical Engines Ltd\n12 St James's Square\nSW1Y 4JH London\nGreater London\nGB\n"
    assert f"Shipping address:\n{address}" in text
    assert "more line" not in text + html
    for shown in ("White hanging heart T-light holder (85123A)</td>", ">6</td>", ">GBP 2.55</td>", ">GBP 15.30</td>"):
        assert shown in html
    assert "Ada Lovelace<br>Analytical Engines Ltd<br>" in html
    assert "+44 20" not in text + html, "the phone number is for the carrier"


async def test_a_confirmation_of_many_lines_counts_the_rest(shop: Shop) -> None:
    named = example(OrderPlaced).lines[0]
    nameless = named.model_copy(update={"name": None, "sku": None})
    text, html = await confirmation(shop, lines=[named] * 50 + [nameless] * 1_950)
    assert text.count("White hanging heart") == 50
    assert "and 1950 more lines\n" in text
    assert "<p>and 1950 more lines</p>" in html


async def test_names_and_addresses_in_a_confirmation_are_escaped_and_stay_in_their_line(shop: Shop) -> None:
    placed = example(OrderPlaced)
    line = placed.lines[0].model_copy(update={"name": "<b>Lamp</b>\nTotal: GBP 0.00"})
    address = placed.ship_to.model_copy(update={"name": "<i>Ada</i>\nOnline Mart"})
    text, html = await confirmation(shop, lines=[line], ship_to=address)
    assert "6 x <b>Lamp</b> Total: GBP 0.00 (85123A)" in text
    assert "\n<i>Ada</i> Online Mart\n" in text
    assert "<b>" not in html
    assert "<i>" not in html


async def test_an_event_of_an_earlier_version_is_confirmed_without_lines_and_address(shop: Shop) -> None:
    lines = [line.model_copy(update={"name": None, "sku": None}) for line in example(OrderPlaced).lines]
    text, html = await confirmation(shop, lines=lines, ship_to=None)
    assert " x " not in text
    assert "Shipping address" not in text + html


@pytest.mark.parametrize(
    ("changes", "words", "is_mailed"),
    [
        ({"automatic_payment": True}, "is under way", False),
        ({"automatic_payment": True, "total": Money(amount=0, currency="GBP")}, "nothing to pay", False),
        ({"automatic_payment": False, "total": Money(amount=0, currency="GBP")}, "nothing to pay", False),
        ({"automatic_payment": False}, "Please pay GBP 20.30 by", True),
    ],
    ids=["automatic", "free", "free, of an earlier version", "to be paid"],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "not known yet"])
async def test_only_an_order_that_has_to_be_paid_is_mailed_as_awaiting_payment(
    shop: Shop, changes: dict[str, Any], words: str, is_mailed: bool, is_known: bool
) -> None:
    """The inbox has the notification in any case, and says whether there is something to pay."""
    customer = await shop.customer() if is_known else shop.served.caller()
    await shop.deliver(example(OrderAwaitingPayment, customer_id=customer.user_id, **changes))
    if not is_known:
        await shop.introduce(customer.user_id)
    (item,) = (await inbox(customer))["items"]
    assert words in item["body"]
    assert ("Please pay" in item["body"]) is is_mailed
    assert ("waiting for your payment" in item["title"]) is is_mailed
    assert len(await shop.deliveries()) == is_mailed
