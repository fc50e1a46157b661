"""The whole shop with stock and signed-in customers, for benchmarks of the flow through all services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from benchmarks.goods import fill_catalogue, goods
from benchmarks.load.client import request
from benchmarks.stage import Stage, connected
from local_stack.shop import Shop

CUSTOMERS = 40
STOCK = 100_000_000
PASSWORD = "correct horse battery"
ADD_STOCK = """
WITH goods AS (SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[]) AS goods (id, sku, name)),
known AS (
    INSERT INTO products (product_id, sku, name, status, version) SELECT id, sku, name, 'active', 1 FROM goods
    ON CONFLICT DO NOTHING
)
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved, version, to_publish)
SELECT id, $1, $5, 0, 1, false FROM goods ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Market:
    """A running shop. `bearers` and `staff` are Authorization headers of the customers and of the administrator."""

    shop: Shop
    http: httpx.AsyncClient
    bearers: list[str]
    staff: str

    def port(self, service: str) -> int:
        return int(self.shop.settings[f"{service.upper()}_PORT"])

    def orders(self, bodies: list[dict[str, Any]], **headers: str) -> list[bytes]:
        """Requests that place orders, of all customers in rotation."""
        return [
            request(
                "POST", "/orders", body,
                Authorization=self.bearers[n % CUSTOMERS], Idempotency_Key=str(uuid4()), **headers,
            )
            for n, body in enumerate(bodies)
        ]  # fmt: skip

    async def value(self, service: str, sql: str, *values: Any) -> Any:
        """The result of a query of a service's database."""
        async with connected(self.shop.database_url(service)) as connection:
            return await connection.fetchval(sql, *values)


@asynccontextmanager
async def market(stage: Stage) -> AsyncIterator[Market]:
    """Starts all services, with enough stock of the data set's products, and customers with access tokens."""
    shop = await stage.shop_up()
    limits = httpx.Limits(max_connections=16)
    async with httpx.AsyncClient(timeout=30, limits=limits) as http:
        staff = await _signed_in(http, shop, shop.settings["USER_FIRST_ADMIN_EMAIL"], _admin_password(shop))
        if not await _has_stock(shop):
            await _add_stock(shop, http, staff)
        bearers = await asyncio.gather(*(_customer(http, shop, number) for number in range(CUSTOMERS)))
        yield Market(shop, http, list(bearers), staff)


async def _has_stock(shop: Shop) -> bool:
    async with connected(shop.database_url("inventory")) as connection:
        return bool(await connection.fetchval("SELECT count(*) >= $1 FROM stock", len(goods())))


async def _add_stock(shop: Shop, http: httpx.AsyncClient, staff: str) -> None:
    body = {"code": "MAIN", "name": "Main"}
    answer = await http.post(f"{shop.url('inventory')}/warehouses", json=body, headers={"Authorization": staff})
    answer.raise_for_status()
    every = goods()
    columns = [[good.id for good in every], [good.sku for good in every], [good.name for good in every]]
    async with connected(shop.database_url("inventory")) as connection:
        await connection.execute(ADD_STOCK, UUID(answer.json()["id"]), *columns, STOCK)
        await connection.execute("ANALYZE")
    await fill_catalogue(shop.database_url("order"))


async def _customer(http: httpx.AsyncClient, shop: Shop, number: int) -> str:
    email = f"customer-{number}@example.com"
    body = {"email": email, "password": PASSWORD, "full_name": "Ada King"}
    answer = await http.post(f"{shop.url('user')}/users", json=body)
    if answer.status_code != 409:
        answer.raise_for_status()
    return await _signed_in(http, shop, email, PASSWORD)


async def _signed_in(http: httpx.AsyncClient, shop: Shop, email: str, password: str) -> str:
    form = {"grant_type": "password", "username": email, "password": password, "client_id": "benchmarks"}
    answer = await http.post(f"{shop.url('user')}/auth/token", data=form)
    answer.raise_for_status()
    return f"Bearer {answer.json()['access_token']}"


def _admin_password(shop: Shop) -> str:
    return shop.settings["USER_FIRST_ADMIN_PASSWORD"]
