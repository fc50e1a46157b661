"""Credit notes add up to their invoice, however goods and money come back."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from order_service.invoices.content import InvoicedLine, InvoicedOrder, RateAmounts, Seller, SettledRefund
from order_service.invoices.content import invoice_content as content_of
from order_service.invoices.credit import Credits
from order_service.pricing.shares import paid_for
from service_kit.clock import utcnow
from service_kit.iso_codes import smallest_charge

SELLER = Seller("Online Mart Ltd", ["1 Mill Lane"], "GB123456789")
RATES = (0, 50_000, 200_000, 210_000)


def order(
    lines: Sequence[InvoicedLine], currency: str = "GBP", shipping: dict[str, Any] | None = None
) -> InvoicedOrder:
    total = sum(line.total or 0 for line in lines) + (shipping["total"] if shipping else 0)
    return InvoicedOrder(
        id=uuid4(), number=100_001, customer_id=uuid4(), currency=currency, total=total, captured=total,
        prices_include_tax=True, shipping=shipping, tax_note=None, tax_id=None, bill_to=None, ship_to={"name": "Ada"},
        created_at=utcnow(), refunds=[], lines=lines,
    )  # fmt: skip


def line(position: int, quantity: int, total: int, rate: int = 200_000) -> InvoicedLine:
    tax = total * rate // (1_000_000 + rate)
    return InvoicedLine(uuid4(), position, f"S{position}", "A mug", quantity, total // quantity, 0, tax, rate, total)


def shipped_for(total: int, rate: int = 200_000) -> dict[str, Any]:
    tax = total * rate // (1_000_000 + rate)
    taxes = [{"rate": rate, "net": total - tax, "tax": tax}]
    return {"name": "Standard", "amount": total, "discount": 0, "total": total, "tax": tax, "taxes": taxes}


def invoice_of(order: InvoicedOrder) -> dict[str, Any]:
    return {**content_of(order, SELLER, utcnow()), "number": "INV-2026-000001", "issued_on": "2026-11-29"}


def credited(order: InvoicedOrder, refunds: Sequence[SettledRefund]) -> list[dict[str, Any] | None]:
    credits = Credits(order, invoice_of(order), [])
    return [credits.credit(refund, SELLER, is_credited=False) for refund in refunds]


def refund_of(order: InvoicedOrder, pieces: dict[int, int], before: dict[int, int]) -> SettledRefund:
    amount = paid_for(order.lines, pieces, before, order.currency)
    parts = [{"position": at, "before": before.get(at, 0), "quantity": count} for at, count in pieces.items()]
    return SettledRefund(uuid4(), amount, parts)


@st.composite
def orders(draw: st.DrawFn) -> InvoicedOrder:
    currency = draw(st.sampled_from(["GBP", "JPY", "KWD"]))
    step = smallest_charge(currency)
    lines = [
        line(position, draw(st.integers(1, 12)), step * draw(st.integers(0, 9_999)), draw(st.sampled_from(RATES)))
        for position in range(1, draw(st.integers(1, 6)) + 1)
    ]
    shipping = shipped_for(step * draw(st.integers(1, 999)), draw(st.sampled_from(RATES)))
    return order(lines, currency, shipping if draw(st.booleans()) else None)


def partition(order: InvoicedOrder, chance: random.Random) -> list[SettledRefund]:
    """All pieces come back, in parts, whose refunds succeed in any sequence."""
    pieces = [line.position for line in order.lines for _ in range(line.quantity)]
    chance.shuffle(pieces)
    refunds, before = [], dict.fromkeys((line.position for line in order.lines), 0)
    while pieces:
        taken, pieces = pieces[: (count := chance.randint(1, 8))], pieces[count:]
        part = {position: taken.count(position) for position in sorted(set(taken))}
        refunds.append(refund_of(order, part, before))
        before = {position: n + part.get(position, 0) for position, n in before.items()}
    chance.shuffle(refunds)
    return refunds


def by_rate(notes: Sequence[dict[str, Any] | None]) -> RateAmounts:
    return RateAmounts.of(pair for note in notes if note for pair in RateAmounts.read(note).items())


@given(orders(), st.randoms(use_true_random=False))
def test_any_partition_of_returns_and_the_shipping_add_up_to_the_invoice(
    order: InvoicedOrder, chance: random.Random
) -> None:
    refunds = partition(order, chance)
    if shipping := order.total - sum(each.amount for each in refunds):
        refunds.append(SettledRefund(uuid4(), shipping, None))
    notes = credited(order, refunds)
    assert [note["total"] if note else 0 for note in notes] == [each.amount for each in refunds]
    whole = RateAmounts.read(invoice_of(order))
    assert {rate: each for rate, each in by_rate(notes).items() if each.total} == {
        rate: each for rate, each in whole.items() if each.total
    }
    for note, refund in zip(notes, refunds, strict=True):
        for row in [*note["lines"], *note["taxes"]] if note else []:
            assert row["net"] >= 0 <= row["tax"]
            assert row["total"] == row["net"] + row["tax"]
        if note and refund.pieces and note["shipping"] is None and note["total"] < order.total:
            assert sum(row["total"] for row in note["lines"]) == refund.amount


@given(orders(), st.lists(st.integers(1, 3_000), max_size=4), st.randoms(use_true_random=False))
def test_credit_notes_never_exceed_the_invoice(
    order: InvoicedOrder, by_staff: list[int], chance: random.Random
) -> None:
    refunds = [*partition(order, chance), *(SettledRefund(uuid4(), amount, None) for amount in by_staff)]
    chance.shuffle(refunds)
    left, kept = order.total, []
    for each in refunds:  # as payments do: never more than is left of what was captured
        kept.append(each._replace(amount=min(each.amount, left)))
        left -= kept[-1].amount
    notes = credited(order, [each for each in kept if each.amount])
    rest = RateAmounts.read(invoice_of(order)).less(by_rate(notes))
    assert all(each.can_be_left for each in rest.values())
    assert rest.whole.total == left
    if not left:
        assert rest.whole.tax == 0


def test_the_refund_of_a_second_payment_has_no_credit_note() -> None:
    paid_twice = replace(order([line(1, 1, 1200)]), captured=2400)
    second, returned = SettledRefund(uuid4(), 1200, None), SettledRefund(uuid4(), 700, None)
    nothing, note = credited(paid_twice, [second, returned])
    assert nothing is None
    assert note is not None
    assert (note["total"], note["tax"]) == (700, 117)


def test_a_credit_note_of_everything_repeats_the_invoice() -> None:
    whole = order([line(1, 2, 1200), line(2, 1, 500, 0)], shipping=shipped_for(399))
    [note] = credited(whole, [SettledRefund(uuid4(), whole.total, None)])
    invoice = invoice_of(whole)
    assert note is not None
    assert {name: note[name] for name in ("lines", "shipping", "taxes", "net", "tax", "total")} == {
        name: invoice[name] for name in ("lines", "shipping", "taxes", "net", "tax", "total")
    }
    assert note["corrects"] == {"number": "INV-2026-000001", "issued_on": "2026-11-29"}
