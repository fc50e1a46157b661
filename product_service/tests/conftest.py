"""The product service on a database of its own, its callers, products, categories, and orders of products."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.order_notification import OrderDelivered, OrderedLine, OrderPlaced
from contracts.money import Money
from tests.harness.service import Caller, Served, serve

Json = dict[str, Any]
MakeProduct = Callable[..., Awaitable[Json]]
MakeCategory = Callable[..., Awaitable[Json]]
Bought = Callable[..., Awaitable[UUID]]


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


@pytest.fixture
def bought(service: Served) -> Bought:
    """Delivers the events of an order of these products; returns its id."""

    async def buy(customer_id: UUID, *product_ids: str, delivered: bool = True) -> UUID:
        order: dict[str, Any] = {
            "order_id": uuid4(), "number": "100001", "total": Money(amount=1000, currency="GBP"),
            "customer_id": customer_id,
        }  # fmt: skip
        lines = [OrderedLine(product_id=UUID(id), quantity=2, unit_price=500) for id in product_ids]
        await service.deliver(OrderPlaced(**order, version=1, lines=lines))
        if delivered:
            await service.deliver(OrderDelivered(**order, version=2))
        order_id: UUID = order["order_id"]
        return order_id

    return buy


async def found(service: Served, **asked: Any) -> list[str]:
    """The names of the products in a list with these query parameters."""
    answer = await service.anonymous.get("/products", params=asked)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


async def make_named(make_product: MakeProduct, *names: str) -> None:
    for name in names:
        await make_product(name=name)
