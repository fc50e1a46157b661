"""The texts of notifications, and the format of amounts."""

import pytest

from contracts.events import EVENTS, Event
from contracts.events.order_notification import LackingLine, OrderPlaced, OrderRejected
from contracts.money import Money
from notification_service.kinds import Kind
from notification_service.notifications.wording import facts_of
from notification_service.templates import Text, format_amount, text_for
from notification_service.tests.conftest import example
from service_kit.ids import uuid7


def words(event: Event) -> Text:
    return text_for(Kind.of(type(event)), facts_of(event))


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (123450, "GBP", "GBP 1,234.50"),
        (5, "USD", "USD 0.05"),
        (1250, "JPY", "JPY 1,250"),
        (1250, "KWD", "KWD 1.250"),
        (12345, "CLF", "CLF 1.2345"),
        (-250, "EUR", "EUR -2.50"),
        (9_007_199_254_740_993, "EUR", "EUR 90,071,992,547,409.93"),
    ],
)
def test_amounts_have_their_currencys_digits(amount: int, currency: str, expected: str) -> None:
    assert format_amount({"amount": amount, "currency": currency}) == expected


@pytest.mark.parametrize("kind", [event for event in EVENTS if event.notifies_customer], ids=lambda kind: kind.type)
def test_every_kind_has_a_text(kind: type[Event]) -> None:
    emitted = words(example(kind))
    assert "\n" not in emitted.title
    assert emitted.body == emitted.body.strip() != ""
    assert "{" not in emitted.title + emitted.body


def test_texts_contain_amounts_and_counts() -> None:
    assert "JPY 2,030" in words(example(OrderPlaced, total=Money(amount=2030, currency="JPY"))).body
    assert "8 items" in words(example(OrderPlaced)).body


def test_a_rejection_names_the_first_products_only() -> None:
    lines = [
        LackingLine(product_id=uuid7(), sku=f"S{n}", name=f"Lamp <{n}>", requested=2, available=1) for n in range(7)
    ]
    body = words(example(OrderRejected, lines=lines)).body
    assert "- Lamp <4> (S4): 2 wanted, 1 available" in body
    assert "Lamp <5>" not in body
    assert "and 2 more" in body
