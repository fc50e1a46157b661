"""The rules of payments and refunds, without a database."""

from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_service.payments.models import (
    Account,
    ChargeReport,
    Payment,
    PaymentState,
    Refund,
    RefundReport,
    RefundState,
    RefundTooHigh,
)
from service_kit.clock import utcnow

ORDER = uuid4()


def payment(amount: int, status: str = "succeeded", minutes: int = 0, currency: str = "GBP") -> Payment:
    settled = utcnow() + timedelta(minutes=minutes)
    return Payment(
        order_id=ORDER,
        customer_id=ORDER,
        amount=amount,
        currency=currency,
        status=status,
        gateway="g",
        settled_at=settled,
    )


def refund(of: Payment, amount: int, status: str = "succeeded") -> Refund:
    return Refund(payment_id=of.id, order_id=ORDER, amount=amount, currency=of.currency, status=status, gateway="g")


def report(of: Payment, state: PaymentState, amount: int | None = None) -> ChargeReport:
    action = ("redirect", "https://bank") if state is PaymentState.ACTION_REQUIRED else None
    return ChargeReport(of.id, ORDER, "g", state, amount or of.amount, of.currency, "ch_1", "why", action=action)


P, R, A, F, V, S = (
    PaymentState.PENDING,
    PaymentState.ACTION_REQUIRED,
    PaymentState.AUTHORISED,
    PaymentState.FAILED,
    PaymentState.VOIDED,
    PaymentState.SUCCEEDED,
)
FORWARD = {P: {R, A, F, V, S}, R: {A, F, V, S}, A: {F, V, S}, F: {V, S}, V: {S}, S: set[PaymentState]()}
"""Which reports apply in which state: an independent copy of the rule, so that a mistake shows."""


@pytest.mark.parametrize("before", list(PaymentState))
@pytest.mark.parametrize("emitted", list(PaymentState))
def test_no_captured_money_is_lost_and_no_report_applies_twice(before: PaymentState, emitted: PaymentState) -> None:
    one = payment(100, before)
    news = one.settle(report(one, emitted), utcnow())
    assert news == (emitted in FORWARD[before])
    assert one.status == (emitted if news else before)
    assert not one.settle(report(one, emitted), utcnow())


def test_a_settled_payment_is_never_open_again() -> None:
    assert [state for state in PaymentState if state.is_open] == [P, R, A]
    assert not any(after.is_open for before, afters in FORWARD.items() if not before.is_open for after in afters)


@given(st.lists(st.sampled_from(PaymentState), max_size=8), st.randoms(use_true_random=False))
def test_late_repeated_and_reordered_reports_end_in_the_same_state(emitted: list[PaymentState], chance: Random) -> None:
    reordered = emitted + chance.choices(emitted, k=3) if emitted else []
    chance.shuffle(reordered)
    ends = []
    for reports in (emitted, reordered):
        one = payment(100, P)
        for state in reports:
            one.settle(report(one, state), utcnow())
        ends.append((one.status, one.amount, one.failure_reason, one.action_url))
    assert ends[0] == ends[1]
    assert (ends[0][0] == S) == (S in emitted), "money counts, and nothing else is money"


def test_the_next_action_is_stored_while_it_is_required() -> None:
    one = payment(100, P)
    one.settle(report(one, R), utcnow())
    assert (one.action_type, one.action_url) == ("redirect", "https://bank")
    one.settle(report(one, A), utcnow())
    assert (one.action_type, one.action_url, one.failure_reason) == (None, None, None)


def test_the_captured_amount_is_the_gateways() -> None:
    one = payment(100, "pending")
    one.settle(report(one, PaymentState.SUCCEEDED, amount=90), utcnow())
    assert (one.amount, one.version, one.failure_reason) == (90, 2, None)


def test_pending_refunds_count_as_made_and_failed_ones_do_not() -> None:
    one = payment(100)
    some = [refund(one, 10), refund(one, 20, "requested"), refund(one, 70, "failed")]
    assert Account([one], some).left(one) == 70
    assert Account([payment(5, "pending")], []).left(payment(5, "pending")) == 0


def test_the_latest_payment_is_refunded_first() -> None:
    old, new = payment(100), payment(50, minutes=1)
    account = Account([new, old], [])
    assert account.spread(60) == [(new, 50), (old, 10)]
    assert account.spread(None) == [(new, 50), (old, 100)]
    with pytest.raises(RefundTooHigh) as rejected:
        account.spread(151)
    assert rejected.value.members == {"wanted": 151, "left": 150}
    assert Account([payment(9, "failed")], []).spread(None) == []


def test_money_in_another_currency_does_not_count_as_captured() -> None:
    pounds, dollars = payment(100), payment(900, currency="USD")
    account = Account([pounds, dollars], [refund(dollars, 900)])
    assert (account.captured("GBP"), account.refunded("GBP")) == (100, 0)


amounts = st.integers(1, 1000)


@given(st.lists(amounts, max_size=4), st.lists(st.tuples(st.integers(0, 3), amounts), max_size=6), amounts)
def test_refunds_never_exceed_any_payment(captured: list[int], asked: list[tuple[int, int]], wanted: int) -> None:
    payments = [payment(amount, minutes=n) for n, amount in enumerate(captured)]
    refunds: list[Refund] = []
    for which, amount in asked:
        if which < len(payments) and Account(payments, refunds).left(payments[which]) >= amount:
            refunds.append(refund(payments[which], amount, "requested"))
    try:
        parts = Account(payments, refunds).spread(wanted)
    except RefundTooHigh:
        parts = []
    refunds += [refund(of, amount, "requested") for of, amount in parts]
    gone: dict[UUID, int] = {}
    for made in refunds:
        gone[made.payment_id] = gone.get(made.payment_id, 0) + made.amount
    assert all(gone.get(one.id, 0) <= one.amount for one in payments)
    assert sum(amount for _, amount in parts) in (0, wanted)


def test_a_refund_settles_once_and_success_is_final() -> None:
    one = refund(payment(10), 10, "requested")

    def is_published(state: RefundState) -> bool:
        return one.settle(RefundReport(one.id, one.payment_id, ORDER, "g", state, 10, "GBP", "re_1", "why"), utcnow())

    assert [is_published(RefundState(state)) for state in ("requested", "failed", "failed", "succeeded", "failed")] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert (one.status, one.failure_reason) == ("succeeded", None)
