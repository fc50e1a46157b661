from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from local_stack.errors import StackError
from tools.replay.books import Books, Stock
from tools.replay.countries import country_code
from tools.replay.orders import OrderProgress, Run, order_body
from tools.replay.preparation import Ready, email_of, quantity_to_receive
from tools.replay.reconciliation import mismatches
from tools.replay.report import report
from tools.replay.run import stock_factor
from tools.replay.sales import Invoice, Line, Sales

INVOICE = Invoice("1", "17850", "France", [Line("85123A", "HEART", 6, 255), Line("85123A", "HEART", 1, 300)])
REFUSED = Invoice("2", "", "EIRE", [Line("85123A", "HEART", 9, 255)])
READY = Ready(
    products={"85123A": "product"},
    customers={"customer-17850@online-retail.example": "ada", "walk-in-eire@online-retail.example": "walk-in"},
)
KEYS = [
    *("orders", "lines", "units", "revenue_minor", "skipped", "delivered", "rejected", "payments_captured_minor"),
    *(
        "units_before",
        "units_received",
        "units_deducted",
        "units_left",
        "notifications",
        "mismatches",
        "failed_requests",
        "seconds",
    ),
    "orders_per_second",
]


def run() -> Run:
    orders = [
        OrderProgress(INVOICE, order_id="o1", number="100001"),
        OrderProgress(REFUSED, order_id="o2", number="100002"),
    ]
    return Run(orders, {progress.order_id: progress for progress in orders}, seconds=0.5)


def order(id: str, customer: str, status: str, lines: list[tuple[int, int]]) -> dict[str, Any]:
    return {
        "id": id,
        "customer_id": customer,
        "status": status,
        "payment_status": "paid",
        "fulfilment_status": "delivered",
        "total": {"amount": sum(quantity * price for quantity, price in lines), "currency": "GBP"},
        "lines": [
            {
                "product_id": "product",
                "sku": "85123A",
                "quantity": n,
                "unit_price": {"amount": price, "currency": "GBP"},
            }
            for n, price in lines
        ],
    }


def books() -> Books:
    """Books without a mismatch: 2 before, 8 received, 7 deducted, 3 left."""
    return Books(
        before=Stock({"product": 2}, {"product": 0}),
        after=Stock({"product": 3}, {"product": 0}),
        received=Counter({"product": 8}),
        deducted=Counter({"product": 7}),
        orders={
            "o1": order("o1", "ada", "delivered", [(6, 255), (1, 300)]),
            "o2": order("o2", "walk-in", "rejected", [(9, 255)]),
        },
        captured=Counter({"o1": 1830}),
        notified={
            "o1": Counter(
                ["order.placed", "order.awaiting_payment", "order.paid", "shipment.dispatched", "shipment.delivered"]
            ),
            "o2": Counter(["order.placed", "order.rejected"]),
        },
        parcels=Counter({"o1": 1}),
    )


def found(changed: Books) -> list[str]:
    return [f"{each.what}: {each.expected} / {each.found}" for each in mismatches(run(), READY, changed)]


def test_correct_books_have_no_mismatch() -> None:
    assert found(books()) == []


def test_the_report_has_exactly_the_documented_keys() -> None:
    figures = report(Sales([INVOICE, REFUSED]), run(), books(), [], {}, {}).figures
    assert list(figures) == KEYS
    assert figures["delivered"] + figures["rejected"] == figures["orders"] == 2
    assert figures["notifications"] == 7
    assert figures["orders_per_second"] == 4.0
    assert figures["revenue_minor"] == 1830 + 2295


def test_stock_that_does_not_add_up_is_a_mismatch() -> None:
    changed = books()
    changed.deducted["product"] = 6
    assert found(changed) == [
        "stock of 85123A: before 2 + received 8: 10 / 9 (deducted 6 + left 3)",
    ]


def test_negative_stock_in_one_warehouse_is_a_mismatch_although_the_sum_is_right() -> None:
    changed = books()
    changed.after = Stock({"product": 3}, {"product": -1})
    assert found(changed) == ["stock of 85123A: its lowest number: 0 or more / -1"]


def test_money_is_compared_order_by_order() -> None:
    changed = books()
    changed.captured = Counter({"o1": 1829, "o2": 1})
    assert found(changed) == [
        "invoice 1 (order 100001): captured, in pence: 1830 / 1829",
        "invoice 2 (order 100002): captured, in pence: 0 / 1",
    ]


@pytest.mark.parametrize("name", ["payment_status", "fulfilment_status"])
def test_a_delivered_order_with_a_lost_or_returned_part_is_a_mismatch(name: str) -> None:
    changed = books()
    changed.orders["o1"][name] = "other"  # type: ignore[index]
    [difference] = found(changed)
    assert name in difference


def test_a_cancelled_order_is_not_reported_as_stuck() -> None:
    """It was refunded in full before dispatch, or lost by the carrier."""
    changed = books()
    changed.orders = {**changed.orders, "o1": order("o1", "ada", "cancelled", [(6, 255), (1, 300)])}
    assert found(changed)[0] == "invoice 1 (order 100001): its end: delivered or rejected / cancelled"


def test_every_difference_between_an_order_and_its_invoice_is_reported() -> None:
    changed = books()
    changed.orders = {**changed.orders, "o1": order("o1", "eve", "delivered", [(7, 261)])}
    words = found(changed)
    assert len(words) == 4
    assert words[0] == "invoice 1 (order 100001): lines: 2 / 1"
    assert "line 1: ('product', '85123A', 6, 255) / ('product', '85123A', 7, 261)" in words[1]
    assert "total" in words[2]
    assert "customer: ada / eve" in words[3]


def test_lines_in_another_order_are_mismatches() -> None:
    changed = books()
    changed.orders = {**changed.orders, "o1": order("o1", "ada", "delivered", [(1, 300), (6, 255)])}
    assert len(found(changed)) == 2


def test_stuck_and_missing_orders_are_mismatches() -> None:
    changed = books()
    changed.orders = {"o1": order("o1", "ada", "paid", [(6, 255), (1, 300)])}
    words = found(changed)
    assert words == [
        "invoice 1 (order 100001): its end: delivered or rejected / stuck, paid",
        "invoice 2 (order 100002): its order: there / not found",
    ]


@pytest.mark.parametrize(("kind", "times"), [("order.paid", 0), ("order.paid", 2), ("payment.failed", 1)])
def test_a_step_that_was_not_notified_exactly_once_is_a_mismatch(kind: str, times: int) -> None:
    changed = books()
    notified = Counter(changed.notified["o1"])
    notified[kind] = times
    changed.notified = {**changed.notified, "o1": notified}
    expected = 1 if kind == "order.paid" else 0
    assert found(changed) == [
        f"invoice 1 (order 100001): its customer notified of {kind}: {expected} times / {times} times"
    ]


def test_two_parcels_need_two_notifications_of_each_kind() -> None:
    changed = books()
    changed.parcels = Counter({"o1": 2})
    assert len(found(changed)) == 2


def test_a_failed_payment_must_be_notified() -> None:
    changed = books()
    changed.failed = Counter({"o1": 1})
    assert found(changed) == ["invoice 1 (order 100001): its customer notified of payment.failed: 1 times / 0 times"]
    changed.notified = {**changed.notified, "o1": changed.notified["o1"] + Counter(["payment.failed"])}
    assert found(changed) == []


def test_stock_is_received_in_whole_pieces_rounded_up() -> None:
    assert quantity_to_receive(10, stock_factor("0.8")) == 8
    assert quantity_to_receive(11, stock_factor("0.8")) == 9
    assert quantity_to_receive(10, stock_factor("1.1")) == 11  # and not 12, as with floats
    assert quantity_to_receive(10, Fraction(0)) == 0


@pytest.mark.parametrize("text", ["-1", "much", "", "nan", "inf"])
def test_an_invalid_stock_factor_is_rejected(text: str) -> None:
    with pytest.raises(StackError, match="STOCK="):
        stock_factor(text)


def test_unknown_customers_become_one_account_per_country() -> None:
    assert email_of(INVOICE) == "customer-17850@online-retail.example"
    assert email_of(Invoice("3", "", "Channel Islands")) == "walk-in-channel-islands@online-retail.example"
    assert country_code("Channel Islands") == "JE"
    assert country_code("European Community") == "GB"


def test_an_order_has_the_lines_and_prices_of_its_invoice() -> None:
    body = order_body(INVOICE, READY)
    assert body["customer_id"] == "ada"
    assert [(line["quantity"], line["agreed_unit_price"]["amount"]) for line in body["lines"]] == [(6, 255), (1, 300)]
    assert body["ship_to"]["country"] == "FR"
