"""Each error class has its status, type and text."""

import pytest

from service_kit.problems import NotFound, Problem, Unauthenticated, not_found


class BalanceTooLow(Problem, status=409, type="balance-too-low"):
    """The card has {balance} left; {wanted} was asked for."""


def test_the_docstring_is_the_detail_and_the_values_are_members() -> None:
    body = BalanceTooLow(wanted=3, balance=2).body("/cards/7")
    assert body == {
        "type": "/problems/balance-too-low",
        "title": "Balance too low",
        "status": 409,
        "detail": "The card has 2 left; 3 was asked for.",
        "instance": "/cards/7",
        "wanted": 3,
        "balance": 2,
    }


def test_a_member_never_replaces_a_standard_one() -> None:
    body = Problem("It is so now.", status="cancelled", instance="7", extra=1).body("/orders/7")
    assert (body["status"], body["instance"], body["extra"]) == (500, "/orders/7", 1)


def test_a_problem_has_the_headers_of_its_class_and_of_its_instance() -> None:
    assert Unauthenticated(retry_after=5).headers == {"WWW-Authenticate": "Bearer", "Retry-After": "5"}


def test_not_found_names_the_model_in_words() -> None:
    class GiftCard: ...

    with pytest.raises(NotFound, match="no gift card 7"):
        not_found(GiftCard, 7)
