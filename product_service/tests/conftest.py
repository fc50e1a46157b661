"""The product service on a database of its own, its callers, and products and categories."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from tests.harness.service import Caller, Served, serve

Json = dict[str, Any]
MakeProduct = Callable[..., Awaitable[Json]]
MakeCategory = Callable[..., Awaitable[Json]]


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with serve("product_service") as served:
        yield served


@pytest.fixture
def staff(service: Served) -> Caller:
    return service.caller(role="SubAdmin")


@pytest.fixture
def make_product(staff: Caller) -> MakeProduct:
    """Creates an active product at 10.00 GBP; `fields` override that."""
    numbers = count(1)

    async def make(**fields: Any) -> Json:
        number = next(numbers)
        usual = {"sku": f"SKU-{number}", "name": f"Product {number}", "status": "active"}
        body = {**usual, "price": {"amount": 1000, "currency": "GBP"}, **fields}
        answer = await staff.post("/products", json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make


@pytest.fixture
def make_category(staff: Caller) -> MakeCategory:
    async def make(name: str, parent: Json | None = None) -> Json:
        answer = await staff.post("/categories", json={"name": name, "parent_id": parent and parent["id"]})
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    return make


async def found(service: Served, **asked: Any) -> list[str]:
    """The names of the products in a list with these query parameters."""
    answer = await service.anonymous.get("/products", params=asked)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


async def make_named(make_product: MakeProduct, *names: str) -> None:
    for name in names:
        await make_product(name=name)
