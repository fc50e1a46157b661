"""The transitions of a return, and how much of an order can be returned, without a database."""

from collections import Counter
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_service.pricing.lines import line_total
from order_service.returns.models import (
    COMES_AFTER,
    LineAmbiguous,
    MoreThanReturnable,
    Return,
    Returnable,
    ReturnDecided,
    ReturnStatus,
    Wanted,
)
from order_service.returns.parcels import pieces_of
from service_kit.clock import utcnow

S = ReturnStatus
MUG, TRAY = uuid4(), uuid4()


def a_line(position: int, product_id: UUID, quantity: int, price: int = 100, discount: int = 0, tax: int = 0) -> Any:
    return SimpleNamespace(
        position=position, product_id=product_id, quantity=quantity, unit_price=price, discount=discount, tax=tax,
        total=None,
        sku="SKU", name="A mug",
    )  # fmt: skip


ORDERED = [a_line(1, MUG, 2, 100), a_line(2, TRAY, 1, 400), a_line(3, MUG, 3, 90)]


def a_return(status: ReturnStatus = S.REQUESTED, lines: Any = None) -> Return:
    return Return(order_id=uuid4(), customer_id=uuid4(), status=status, currency="GBP", lines=lines or [])


@pytest.mark.parametrize("now", S)
@pytest.mark.parametrize("then", [S.APPROVED, S.REJECTED, S.WITHDRAWN, S.RECEIVED, S.REFUNDED, S.CLOSED])
def test_only_these_transitions_are_allowed(now: ReturnStatus, then: ReturnStatus) -> None:
    allowed = {
        (S.REQUESTED, S.APPROVED),
        (S.REQUESTED, S.REJECTED),
        (S.REQUESTED, S.WITHDRAWN),
        (S.APPROVED, S.RECEIVED),
        (S.RECEIVED, S.REFUNDED),
        (S.APPROVED, S.CLOSED),
    }
    found = a_return(now)
    assert found.becomes(then) == ((now, then) in allowed)
    assert found.status == (then if (now, then) in allowed else now)
    assert {(before, after) for after, before in COMES_AFTER.items()} == allowed


THREE_MUGS = [Wanted(1, None, 2), Wanted(3, None, 1)]


def test_a_product_at_two_prices_is_returned_by_line() -> None:
    """One piece was a gift, one was paid for: the customer must say which is returned."""
    gift, paid = 1, 2
    lines = [a_line(gift, MUG, 1, 0), a_line(paid, MUG, 1, 500)]
    order = Returnable(lines, [])
    with pytest.raises(LineAmbiguous) as rejected:
        order.take([Wanted(None, MUG, 1)])
    assert [each["line"] for each in rejected.value.members["lines"]] == [gift, paid]
    [taken] = order.take([Wanted(paid, None, 1)])
    assert (taken["position"], taken["unit_price"]) == (paid, 500)
    assert len(order.take([Wanted(None, MUG, 2)])) == 2, "returning all of them is not ambiguous"
    for wrong in (Wanted(3, None, 1), Wanted(paid, TRAY, 1), Wanted(paid, MUG, 2)):
        with pytest.raises(MoreThanReturnable):
            order.take([wrong])


def test_of_a_product_at_two_prices_the_dearest_pieces_count_as_received() -> None:
    order = Returnable([a_line(1, MUG, 1, 700, discount=600), a_line(2, MUG, 1, 500)], [])
    found = a_return(S.APPROVED, order.take([Wanted(None, MUG, 2)]))
    assert found.receive({MUG: 1}, order, utcnow())
    assert (found.worth, [each["received"] for each in found.lines]) == (500, [0, 1])


def test_only_delivered_pieces_can_be_returned_and_lost_ones_never() -> None:
    order = Returnable(ORDERED, [], arrived={1: 2, 3: 1}, lost={2: 1})
    assert [part["position"] for part in order.take([Wanted(None, MUG, 3)])] == [1, 3]
    for wanted in (Wanted(None, MUG, 4), Wanted(2, None, 1)):
        with pytest.raises(MoreThanReturnable):
            order.take([wanted])


def test_pieces_that_name_no_line_are_taken_from_a_line_that_was_not_refunded() -> None:
    lines = [a_line(1, MUG, 1, 500), a_line(2, MUG, 1, 900, discount=600)]
    parcel = [{"product_id": str(MUG), "quantity": 1}]
    assert pieces_of(lines, [parcel]) == {1: 1}
    assert +pieces_of(lines, [parcel], {1: 1}) == {2: 1}


def test_a_decision_is_made_once() -> None:
    found = a_return()
    found.decide(S.REJECTED, uuid4(), utcnow(), "worn")
    with pytest.raises(ReturnDecided) as rejected:
        found.decide(S.APPROVED, uuid4(), utcnow())
    assert (rejected.value.status, found.status, found.rejection_reason) == (409, "rejected", "worn")


def test_pieces_are_taken_from_the_lines_in_their_order() -> None:
    taken = Returnable(ORDERED, []).take([Wanted(1, MUG, 2), Wanted(3, None, 2), Wanted(None, TRAY, 1)])
    assert [(line["position"], line["quantity"], line["unit_price"]) for line in taken] == [
        (1, 2, 100),
        (2, 1, 400),
        (3, 2, 90),
    ]


@pytest.mark.parametrize(
    ("status", "received", "left"),
    [(S.REQUESTED, None, 2), (S.APPROVED, None, 2), (S.REJECTED, None, 5), (S.WITHDRAWN, None, 5), (S.RECEIVED, 1, 4)],
)
def test_pieces_that_are_being_returned_can_not_be_returned_again(
    status: ReturnStatus, received: int | None, left: int
) -> None:
    """A piece that was approved and did not arrive can be."""
    lines = Returnable(ORDERED, []).take(THREE_MUGS)
    if received is not None:
        lines = [{**line, "received": 0} for line in lines]
        lines[0]["received"] = received
    order = Returnable(ORDERED, [a_return(status, lines)])
    assert sum(line["quantity"] for line in order.take([Wanted(None, MUG, left)])) == left
    with pytest.raises(MoreThanReturnable) as rejected:
        order.take([Wanted(None, MUG, left + 1)])
    assert rejected.value.members["lines"] == [
        {"product_id": str(MUG), "requested": left + 1, "returnable": left},
    ]


def test_pieces_that_were_not_ordered_can_not_be_returned() -> None:
    with pytest.raises(MoreThanReturnable):
        Returnable(ORDERED, []).take([Wanted(None, uuid4(), 1)])


def test_only_received_pieces_are_refunded_and_never_more_than_were_approved() -> None:
    order = Returnable(ORDERED, [])
    found = a_return(S.APPROVED, order.take([*THREE_MUGS, Wanted(None, TRAY, 1)]))
    assert found.receive({MUG: 100, uuid4(): 1}, order, utcnow())
    assert [line["received"] for line in found.lines] == [2, 0, 1]
    assert found.worth == 2 * 100 + 90
    assert not found.receive({MUG: 3, TRAY: 1}, order, utcnow()), "a duplicate changes nothing"
    assert found.worth == 290


LINES = st.lists(
    st.tuples(st.sampled_from([MUG, TRAY]), st.integers(1, 9), st.integers(0, 999), st.integers(0, 100)),
    min_size=1,
    max_size=4,
)


@given(lines=LINES, data=st.data())
def test_the_refunds_of_all_returns_add_up_to_what_was_paid(lines: list[Any], data: st.DataObject) -> None:
    """To the penny, in any number of returns, of which pieces may not arrive, and with lost pieces."""
    ordered = [
        a_line(position, product_id, quantity, price, discount=price * quantity * percent // 100, tax=percent)
        for position, (product_id, quantity, price, percent) in enumerate(lines, 1)
    ]
    lost: Counter[int] = Counter()
    returns: list[Return] = []
    refunded = 0
    while not (order := Returnable(ordered, returns, lost=lost)).all_returned():
        left = [line for line in ordered if order.gone()[line.position] < line.quantity]
        if not left:
            break
        line = data.draw(st.sampled_from(left))
        pieces = data.draw(st.integers(1, line.quantity - order.gone()[line.position]))
        if data.draw(st.booleans()):
            worth = order.worth({line.position: pieces}, "GBP")
            lost[line.position] += pieces
        else:
            found = a_return(S.APPROVED, order.take([Wanted(line.position, None, pieces)]))
            assert found.receive({line.product_id: data.draw(st.integers(1, pieces))}, order, utcnow())
            returns.append(found)
            worth = found.worth or 0
        assert worth >= 0
        refunded += worth
    assert refunded == sum(line_total(line) for line in ordered)


def test_a_return_with_nothing_to_refund_is_refunded_at_once() -> None:
    found = a_return(S.RECEIVED)
    found.refund(0)
    assert found.status == "refunded"


def test_an_order_is_returned_when_every_piece_was_received() -> None:
    lines = [
        {**line, "received": line["quantity"]}
        for line in Returnable(ORDERED, []).take([Wanted(None, MUG, 5), Wanted(None, TRAY, 1)])
    ]
    assert Returnable(ORDERED, [a_return(S.RECEIVED, lines)]).all_returned()
    assert not Returnable(ORDERED, [a_return(S.APPROVED, lines)]).all_returned()
    assert not Returnable(ORDERED, [a_return(S.RECEIVED, lines[:-1])]).all_returned()
