"""Lists treat wildcards in a search text as plain characters, and ignore case and accents."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.security.operations import SERVICES, Operation
from tests.security.seeded_service import SeededService, seeded_service

PATTERNS = ("%", "_", "%%%", "___", "\\", "\\%", "％", "A%n", "l_n", ".*", "^", "'")
NAMES = ("İNCE Çaydanlık Groß 100%_Ø", "İNCE Çaydanlık Groß 1000 Ø")
TYPED = ("ince", "İnce", "INCE", "caydanlik", "ÇAYDANLIK", "c\u0327aydanl\u0131k", "gross", "GROSS", "Groß", "ｉｎｃｅ")
BY_SIGN = ("0%_", "%_ø")
"""Search texts whose special characters must match exactly."""


async def _accounts(seeded: SeededService) -> None:
    for number, name in enumerate(NAMES):
        body = {"email": f"n{number}@example.com", "password": "correct horse battery", "full_name": name}
        assert (await seeded.admin.post("/users", json=body)).status_code == 201


async def _products(seeded: SeededService) -> None:
    for number, name in enumerate(NAMES):
        price = {"amount": 1, "currency": "GBP"}
        body = {"sku": f"N{number}", "name": name, "price": price, "status": "active"}
        assert (await seeded.admin.post("/products", json=body)).status_code == 201


SEARCHES: dict[tuple[str, str], tuple[Callable[[SeededService], Awaitable[None]], str]] = {
    ("user", "/users"): (_accounts, "full_name"),
    ("product", "/products"): (_products, "name"),
}
"""Every list with a search: what creates items with NAMES, and the field that has the name."""


@pytest.mark.parametrize("service", SERVICES)
async def test_search_texts_are_not_patterns(service: str) -> None:
    async with seeded_service(service) as seeded:
        for operation, name in _free_texts(seeded):
            client = seeded.as_owner if operation.is_ones_own else seeded.admin
            for pattern in PATTERNS:
                answer = await client.get(operation.url(seeded.ids), params={name: pattern})
                if answer.status_code == 403:  # a filter for staff, in a list that customers have too
                    answer = await seeded.admin.get(operation.url(seeded.ids), params={name: pattern})
                assert answer.status_code in (200, 400, 422), f"{operation} {name}={pattern}: {answer.text}"
                assert not answer.is_success or _items(answer) == [], f"{operation} {name}={pattern}"


@pytest.mark.parametrize("service", SERVICES)
async def test_every_search_disregards_case_and_accents(service: str) -> None:
    async with seeded_service(service) as seeded:
        searched = [operation.path for operation, name in _free_texts(seeded) if name == "q"]
        assert searched == [path for of, path in SEARCHES if of == service], (
            "SEARCHES lacks a search, or has a former one"
        )
        for path in searched:
            add_items, field = SEARCHES[service, path]
            await add_items(seeded)
            for typed in TYPED:
                found = _items(await seeded.admin.get(path, params={"q": typed}))
                assert {item[field] for item in found} == set(NAMES), typed
            assert "product" in service or await _by_sign(seeded, path, field) == [[NAMES[0]]] * len(BY_SIGN)


async def _by_sign(seeded: SeededService, path: str, field: str) -> list[list[str]]:
    answers = [await seeded.admin.get(path, params={"q": typed}) for typed in BY_SIGN]
    return [[item[field] for item in _items(answer)] for answer in answers]


def _free_texts(seeded: SeededService) -> Iterator[tuple[Operation, str]]:
    for operation in seeded.operations:
        if operation.method == "get" and operation.takes("cursor"):
            for parameter in operation.spec.get("parameters", ()):
                schema = operation.resolve(parameter["schema"])
                is_text = schema.get("type") == "string" and not schema.keys() & {"enum", "const", "format", "pattern"}
                if parameter["in"] == "query" and is_text and parameter["name"] != "cursor":
                    yield operation, parameter["name"]


def _items(answer: httpx.Response) -> list[Any]:
    found: list[Any] = answer.json()["items"]
    return found
