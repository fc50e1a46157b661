"""Money is an integer and a currency."""

import pytest
from pydantic import ValidationError

from contracts.money import Money


@pytest.mark.parametrize("amount", [12.5, 12.0, "12", True, None])
def test_an_amount_must_be_an_integer(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "USD"})


@pytest.mark.parametrize("currency", ["usd", "US", "USDT", "USD\n", ""])
def test_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money(amount=1, currency=currency)


def test_money_is_written_as_it_was_read() -> None:
    body = '{"amount":1250,"currency":"USD"}'
    assert Money.model_validate_json(body).model_dump_json() == body
