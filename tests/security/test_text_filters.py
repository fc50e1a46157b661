"""Search texts of lists contain no wildcards, and ignore case and accents."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.security.operations import SERVICES, Operation
from tests.security.shop import Premises, premises

PATTERNS = ("%", "_", "%%%", "___", "\\", "\\%", "％", "A%n", "l_n", ".*", "^", "'")
NAMES = ("İNCE Çaydanlık Groß 100%_Ø", "İNCE Çaydanlık Groß 1000 Ø")
TYPED = ("ince", "İnce", "INCE", "caydanlik", "ÇAYDANLIK", "c\u0327aydanl\u0131k", "gross", "GROSS", "Groß", "ｉｎｃｅ")
BY_SIGN = ("0%_", "%_ø")
"""Texts whose special characters are searched one by one."""


async def _accounts(place: Premises) -> None:
    for number, name in enumerate(NAMES):
        body = {"email": f"n{number}@example.com", "password": "correct horse battery", "full_name": name}
        assert (await place.admin.post("/users", json=body)).status_code == 201


async def _products(place: Premises) -> None:
    for number, name in enumerate(NAMES):
        price = {"amount": 1, "currency": "GBP"}
        body = {"sku": f"N{number}", "name": name, "price": price, "status": "active"}
        assert (await place.admin.post("/products", json=body)).status_code == 201


SEARCHES: dict[tuple[str, str], tuple[Callable[[Premises], Awaitable[None]], str]] = {
    ("user", "/users"): (_accounts, "full_name"),
    ("product", "/products"): (_products, "name"),
}
"""Every list that is searched, what puts NAMES there, and the field that shows them."""


@pytest.mark.parametrize("service", SERVICES)
async def test_search_texts_are_not_patterns(service: str) -> None:
    async with premises(service) as place:
        for operation, name in _free_texts(place):
            client = place.as_owner if operation.is_ones_own else place.admin
            for pattern in PATTERNS:
                answer = await client.get(operation.url(place.ids), params={name: pattern})
                assert answer.status_code in (200, 400, 422), f"{operation} {name}={pattern}: {answer.text}"
                assert not answer.is_success or _items(answer) == [], f"{operation} {name}={pattern}"


@pytest.mark.parametrize("service", SERVICES)
async def test_every_search_disregards_case_and_accents(service: str) -> None:
    async with premises(service) as place:
        searched = [operation.path for operation, name in _free_texts(place) if name == "q"]
        assert searched == [path for of, path in SEARCHES if of == service], "a search that is tried here, or is new"
        for path in searched:
            furnish, field = SEARCHES[service, path]
            await furnish(place)
            for typed in TYPED:
                found = _items(await place.admin.get(path, params={"q": typed}))
                assert {item[field] for item in found} == set(NAMES), typed
            assert "product" in service or await _by_sign(place, path, field) == [[NAMES[0]]] * len(BY_SIGN)


async def _by_sign(place: Premises, path: str, field: str) -> list[list[str]]:
    answers = [await place.admin.get(path, params={"q": typed}) for typed in BY_SIGN]
    return [[item[field] for item in _items(answer)] for answer in answers]


def _free_texts(place: Premises) -> Iterator[tuple[Operation, str]]:
    for operation in place.operations:
        if operation.method == "get" and operation.takes("cursor"):
            for parameter in operation.spec.get("parameters", ()):
                schema = operation.resolve(parameter["schema"])
                is_text = schema.get("type") == "string" and not schema.keys() & {"enum", "const", "format", "pattern"}
                if parameter["in"] == "query" and is_text and parameter["name"] != "cursor":
                    yield operation, parameter["name"]


def _items(answer: httpx.Response) -> list[Any]:
    found: list[Any] = answer.json()["items"]
    return found
