"""What may become of a return, and how much of an order may come back: without a database."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from order_service.returns.models import (
    COMES_AFTER,
    MoreThanReturnable,
    Return,
    Returnable,
    ReturnDecided,
    ReturnStatus,
)
from service_kit.clock import utcnow

S = ReturnStatus
MUG, TRAY = uuid4(), uuid4()


def a_line(position: int, product_id: UUID, quantity: int, price: int = 100) -> Any:
    return SimpleNamespace(
        position=position, product_id=product_id, quantity=quantity, unit_price=price, sku="SKU", name="A mug"
    )


ORDERED = [a_line(1, MUG, 2, 100), a_line(2, TRAY, 1, 400), a_line(3, MUG, 3, 90)]


def a_return(status: ReturnStatus = S.REQUESTED, lines: Any = None) -> Return:
    return Return(order_id=uuid4(), user_id=uuid4(), status=status, currency="GBP", lines=lines or [])


@pytest.mark.parametrize("now", S)
@pytest.mark.parametrize("then", [S.APPROVED, S.REFUSED, S.WITHDRAWN, S.RECEIVED, S.REFUNDED])
def test_every_status_and_every_step(now: ReturnStatus, then: ReturnStatus) -> None:
    allowed = {
        (S.REQUESTED, S.APPROVED),
        (S.REQUESTED, S.REFUSED),
        (S.REQUESTED, S.WITHDRAWN),
        (S.APPROVED, S.RECEIVED),
        (S.RECEIVED, S.REFUNDED),
    }
    found = a_return(now)
    assert found.becomes(then) == ((now, then) in allowed)
    assert found.status == (then if (now, then) in allowed else now)
    assert {(before, after) for after, before in COMES_AFTER.items()} == allowed


def test_a_decision_is_made_once() -> None:
    found = a_return()
    found.decide(S.REFUSED, uuid4(), utcnow(), "worn")
    with pytest.raises(ReturnDecided) as refused:
        found.decide(S.APPROVED, uuid4(), utcnow())
    assert (refused.value.status, found.status, found.refusal) == (409, "refused", "worn")


def test_pieces_are_taken_from_the_lines_in_their_order() -> None:
    taken = Returnable(ORDERED, []).take({MUG: 4, TRAY: 1})
    assert [(line["position"], line["quantity"], line["unit_price"]) for line in taken] == [
        (1, 2, 100),
        (2, 1, 400),
        (3, 2, 90),
    ]


@pytest.mark.parametrize(
    ("status", "received", "left"),
    [(S.REQUESTED, None, 2), (S.APPROVED, None, 2), (S.REFUSED, None, 5), (S.WITHDRAWN, None, 5), (S.RECEIVED, 1, 4)],
)
def test_what_comes_back_already_is_not_there_to_be_asked_for(
    status: ReturnStatus, received: int | None, left: int
) -> None:
    """A piece that was approved and did not come is the customer's again."""
    lines = Returnable(ORDERED, []).take({MUG: 3})
    if received is not None:
        lines = [{**line, "received": 0} for line in lines]
        lines[0]["received"] = received
    order = Returnable(ORDERED, [a_return(status, lines)])
    assert sum(line["quantity"] for line in order.take({MUG: left})) == left
    with pytest.raises(MoreThanReturnable) as refused:
        order.take({MUG: left + 1})
    assert refused.value.members["lines"] == [
        {"product_id": str(MUG), "requested": left + 1, "returnable": left},
    ]


def test_what_was_never_ordered_can_not_come_back() -> None:
    with pytest.raises(MoreThanReturnable):
        Returnable(ORDERED, []).take({uuid4(): 1})


def test_only_what_came_is_paid_back_and_never_more_than_was_approved() -> None:
    found = a_return(S.APPROVED, Returnable(ORDERED, []).take({MUG: 3, TRAY: 1}))
    assert found.receive({MUG: 100, uuid4(): 1}, utcnow())
    assert [line["received"] for line in found.lines] == [2, 0, 1]
    assert found.worth == 2 * 100 + 90
    assert not found.receive({MUG: 3, TRAY: 1}, utcnow()), "heard twice, it counts once"
    assert found.worth == 290


def test_where_nothing_goes_back_it_is_done() -> None:
    found = a_return(S.RECEIVED)
    found.refund(0)
    assert found.status == "refunded"


def test_an_order_is_back_when_every_piece_is() -> None:
    lines = [{**line, "received": line["quantity"]} for line in Returnable(ORDERED, []).take({MUG: 5, TRAY: 1})]
    assert Returnable(ORDERED, [a_return(S.RECEIVED, lines)]).all_is_back()
    assert not Returnable(ORDERED, [a_return(S.APPROVED, lines)]).all_is_back()
    assert not Returnable(ORDERED, [a_return(S.RECEIVED, lines[:-1])]).all_is_back()
