"""The products of the data set, which benchmarks order as often as they were sold there."""

import json
import random
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from benchmarks.stage import connected
from tools.replay import sales

_NAMESPACE = UUID("7d3f4c52-0d0a-4b52-9a63-3f0a3c9d8f10")
ADDRESS = {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"}
CATALOGUE = """
INSERT INTO catalogue_products (product_id, sku, name, status, prices, version)
SELECT id, sku, name, 'active', prices, 1
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[]) AS goods (id, sku, name, prices)
"""
PRODUCTS = """
WITH product AS (
    INSERT INTO products (id, sku, slug, name, sort_key, attributes, price_amount, price_currency, status, version,
                          created_at, updated_at)
    SELECT id, sku, lower(sku), name, lower(name), '{"colour": "white"}', price, 'GBP', 'active', 1, now(), now()
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) AS goods (id, sku, name, price)
    RETURNING id
)
INSERT INTO availability (product_id, on_hand, reserved, available, version, updated_at)
SELECT id, 120, 8, 112, 1, now() FROM product
"""


@dataclass(frozen=True, slots=True)
class Good:
    """A product, and the number of invoices that contain it."""

    id: UUID
    sku: str
    name: str
    price: int
    popularity: int


@cache
def goods() -> tuple[Good, ...]:
    """Every product of the data set, the most popular first."""
    month = sales.read(sales.DEFAULT_FILE)
    popularity: dict[str, int] = {}
    for line in month.lines:
        popularity[line.sku] = popularity.get(line.sku, 0) + 1
    found = (
        Good(uuid5(_NAMESPACE, product.sku), product.sku, product.name, product.price, popularity[product.sku])
        for product in month.products()
    )
    return tuple(sorted(found, key=lambda good: -good.popularity))


class Draw:
    """Draws baskets of distinct products, reproducibly from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._goods = goods()
        self._weights = [good.popularity for good in self._goods]

    def basket(self, lines: int) -> list[Good]:
        found: dict[UUID, Good] = {}
        while len(found) < lines:
            for good in self._random.choices(self._goods, self._weights, k=lines - len(found)):
                found[good.id] = good
        return list(found.values())

    def order(self, lines: int) -> dict[str, Any]:
        """The body of a `POST /orders`."""
        wanted = [{"product_id": str(good.id), "quantity": self._random.randint(1, 6)} for good in self.basket(lines)]
        return {"lines": wanted, "ship_to": ADDRESS}


def catalogue() -> list[list[Any]]:
    """The arguments of CATALOGUE."""
    every = goods()
    return [*_named(every), [_prices(good.price) for good in every]]


def products() -> list[list[Any]]:
    """The arguments of PRODUCTS."""
    every = goods()
    return [*_named(every), [good.price for good in every]]


def _named(every: tuple[Good, ...]) -> list[list[Any]]:
    return [[good.id for good in every], [good.sku for good in every], [good.name for good in every]]


async def fill_catalogue(order_database: str) -> None:
    """Fills the order service's copy of the catalogue, as `products` events would."""
    async with connected(order_database) as connection:
        await connection.execute(CATALOGUE, *catalogue())
        await connection.execute("ANALYZE")


async def fill_products(product_database: str) -> None:
    """Fills the catalogue of the product service with active products in stock."""
    async with connected(product_database) as connection:
        await connection.execute(PRODUCTS, *products())
        await connection.execute("ANALYZE")


def _prices(amount: int) -> str:
    began = "2026-01-01T00:00:00+00:00"
    return json.dumps([{"amount": amount, "currency": "GBP", "min_quantity": 1, "starts_at": began, "ends_at": None}])
