"""Validation of addresses, codes and texts in requests, and its messages."""

from typing import Annotated, Any

import pytest
from fastapi import Query
from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.address import Address
from service_kit.addresses import PostalAddress
from service_kit.http.router import SCHEMA_OF_OTHERS, Router
from service_kit.iso_codes import COUNTRIES, CURRENCIES, Currency
from service_kit.money import MoneyIn
from service_kit.schemas import RequestBody

ADDRESS = {
    "name": "Ada Lovelace", "company": "Analytical Engines Ltd", "line1": "12 St James's Square", "line2": "2nd floor",
    "city": "London", "region": "Greater London", "postal_code": "SW1Y 4JH", "country": "GB",
    "phone": "+44 20 7946 0000",
}  # fmt: skip
TEXTS = ("name", "company", "line1", "line2", "city", "region", "postal_code")
UNPRINTABLE = [
    "",
    " ",
    "\u00a0",
    "a\0b",
    "a\nb",
    "a\x1b[31m",
    "a\u200bb",
    "a\u200db",
    "a\u202eb",
    "\ufeffab",
    "a\u3164b",
]
OPTIONAL = ("company", "line2", "region", "postal_code", "phone")


def test_a_complete_address_is_valid_in_events() -> None:
    address = PostalAddress.model_validate(ADDRESS)
    assert address.model_dump() == ADDRESS
    assert Address.model_validate(address.model_dump()).model_dump() == ADDRESS
    short = {name: value for name, value in ADDRESS.items() if name not in OPTIONAL}
    assert PostalAddress.model_validate(short).model_dump() == {**short, **dict.fromkeys(OPTIONAL)}


def test_blanks_around_a_text_are_removed() -> None:
    padded = {name: f" \u00a0{value}\u3000" for name, value in ADDRESS.items() if name != "country"}
    assert PostalAddress.model_validate({**padded, "country": "GB"}).model_dump() == ADDRESS


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize(
    "text",
    ["", " ", "\u00a0", "a\x00b", "a\nb", "a\x1b[31mb", "a\u200bb", "a\u200db", "a\u202eb", "a\ufeffb"],
)
def test_an_unprintable_text_is_rejected(field: str, text: str) -> None:
    _rejected(PostalAddress, {**ADDRESS, field: text}, field)


@pytest.mark.parametrize("text", ["Łódź", "東京都千代田区", "علی\u200cرضا", "क्\u200dष", "O’Brien & Søn", "Nguyễn"])
def test_real_names_are_accepted(text: str) -> None:
    assert PostalAddress.model_validate({**ADDRESS, "name": text}).name == text


@pytest.mark.parametrize("phone", ["", "call me", "+", "12", "1" * 41, "+44 20\n7946", "\uff11\uff12\uff13\uff14"])
def test_a_phone_number_is_digits(phone: str) -> None:
    _rejected(PostalAddress, {**ADDRESS, "phone": phone}, "phone")


@pytest.mark.parametrize(
    ("country", "words"),
    [
        ("ZZ", "ISO 3166-1"),
        ("UK", "write GB"),
        ("EL", "write GR"),
        ("XK", "ISO 3166-1"),
        ("gb", "capitals"),
        ("GBR", "GB"),
    ],
)
def test_a_country_is_one_of_iso_3166(country: str, words: str) -> None:
    assert words in _rejected(PostalAddress, {**ADDRESS, "country": country}, "country")


@pytest.mark.parametrize("currency", ["ABC", "XXX", "XTS", "XAU", "gbp", "DEM", "EURO"])
def test_a_currency_is_one_of_iso_4217(currency: str) -> None:
    assert "ISO 4217" in _rejected(MoneyIn, {"amount": 1, "currency": currency}, "currency")


def test_the_lists_of_codes_are_complete() -> None:
    assert (len(COUNTRIES), {"GB", "US", "JE", "TW", "SS"} <= COUNTRIES) == (249, True)
    assert {"GBP", "EUR", "JPY", "KWD", "USD"} <= CURRENCIES
    assert TypeAdapter(Currency).json_schema()["enum"] == sorted(CURRENCIES)


def test_a_body_with_a_model_that_drops_members_is_rejected() -> None:
    class Loose(BaseModel):
        a: int

    with pytest.raises(TypeError, match="Loose inside it must be a RequestBody"):
        type("Body", (RequestBody,), {"__annotations__": {"inner": list[Loose] | None}, "__module__": __name__})
    with pytest.raises(TypeError, match="forbid"):
        type("Body", (RequestBody,), {"model_config": {"extra": "ignore"}, "__module__": __name__})


def test_a_route_with_a_body_that_drops_members_is_rejected() -> None:
    class Loose(BaseModel):
        a: int

    async def endpoint(body: Loose) -> None: ...

    with pytest.raises(TypeError, match="RequestBody"):
        Router().post("/x")(endpoint)
    Router().post("/x", openapi_extra=SCHEMA_OF_OTHERS)(endpoint)


def test_a_route_knows_the_parameters_of_its_dependencies() -> None:
    async def endpoint(tag: Annotated[list[str] | None, Query(alias="Tag")] = None, size: int = 1) -> None: ...

    router = Router()
    router.get("/x")(endpoint)
    queries = router.routes[0].queries  # type: ignore[attr-defined]
    assert (queries.names, queries.repeatable) == ({"Tag", "size"}, {"Tag"})


def _rejected(model: type[BaseModel], body: dict[str, Any], field: str) -> str:
    with pytest.raises(ValidationError) as found:
        model.model_validate(body)
    [error] = found.value.errors()
    assert error["loc"] == (field,)
    return error["msg"]
