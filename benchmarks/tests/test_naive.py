"""The naive version does what ours does: else its figures would mean nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from benchmarks.goods import CATALOGUE, PRODUCTS, catalogue, goods, products
from benchmarks.naive import application, orders
from benchmarks.naive import products as naive_products
from tests.harness.databases import drop_database, new_database
from tests.harness.service import Caller, Served, keep_test_keys, serve

SHIP_TO = {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"}
ROWS = {
    "orders": "status, fulfilment_status, currency, total, captured, refunded, ship_to, pay_by - created_at, version",
    "order_lines": "position, product_id, sku, name, quantity, unit_price, discount, tax",
    "order_history": "version, trigger, from_status, to_status, actor, reason, details",
    "idempotency_keys": "operation, key, status, length(body), length(location)",
    "outbox": "topic, type, source, headers::text, length(value)",
}


@contextmanager
def naive(app: Any, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    application.engine.cache_clear()
    application._key.cache_clear()
    yield app.create()
    application.engine().dispose()


class Pair:
    """Ours and theirs, with the same goods, asked the same."""

    def __init__(self, ours: Served, app: FastAPI, database_url: str) -> None:
        self.ours = ours
        self.who: Caller = ours.caller()
        self._app = app
        self._databases = (ours.database_url, database_url)

    async def both(self, method: str, path: str, *, signed_in: bool = True, **request: Any) -> list[httpx.Response]:
        headers = dict(self.who.client.headers) if signed_in else {}
        headers |= request.pop("headers", {})
        answers = []
        for app in (self.ours.app, self._app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
                answers.append(await client.request(method, path, headers=headers, **request))
        return answers

    async def rows(self, table: str) -> list[list[tuple[Any, ...]]]:
        found = []
        for url in self._databases:
            connection = await asyncpg.connect(url)
            rows = await connection.fetch(f"SELECT {ROWS[table]} FROM {table} ORDER BY {ROWS[table]}")
            await connection.close()
            found.append([tuple(row) for row in rows])
        return found


def known(answer: httpx.Response) -> tuple[Any, ...]:
    """What can be the same in two answers: not ids and times."""
    body = answer.json()
    for name in ("id", "number", "created_at", "pay_by"):
        body.pop(name, None)
    headers = {name: answer.headers.get(name) for name in ("ETag", "Idempotent-Replayed", "Content-Type")}
    return answer.status_code, body, headers


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    theirs = new_database("order_service")
    await keep_test_keys(theirs)
    async with serve("order_service", gateway_api_key="x", gateway_webhook_secret="x", limits=False) as ours:
        for url in (ours.database_url, theirs):
            connection = await asyncpg.connect(url)
            await connection.execute(CATALOGUE, *catalogue())
            await connection.close()
        with naive(orders, theirs, monkeypatch) as app:
            yield Pair(ours, app, theirs)
    drop_database(theirs)


async def test_an_order_gets_the_same_response_and_stores_the_same_rows(shop: Pair) -> None:
    lines = [{"product_id": str(good.id), "quantity": 2} for good in goods()[:3]]
    order: dict[str, Any] = {"json": {"lines": lines, "ship_to": SHIP_TO}, "headers": {"Idempotency-Key": "a-key"}}
    first = await shop.both("POST", "/orders", **order)
    assert known(first[0]) == known(first[1])
    assert first[0].status_code == 201
    again = await shop.both("POST", "/orders", **order)
    assert [answer.content for answer in again] == [answer.content for answer in first]
    assert known(again[0]) == known(again[1])
    for table in ROWS:
        ours, theirs = await shop.rows(table)
        assert ours, table
        assert ours == theirs, table


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"json": {"lines": [{"product_id": str(UUID(int=1)), "quantity": 1}], "ship_to": SHIP_TO}}, 409),
        ({"json": {"lines": [{"product_id": "x", "quantity": 0}]}}, 422),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"signed_in": False}, 401),
        ({"headers": {"Idempotency-Key": ""}}, 400),
    ],
)
async def test_invalid_orders_get_the_same_rejection(shop: Pair, change: dict[str, Any], status: int) -> None:
    lines = [{"product_id": str(goods()[0].id), "quantity": 1}]
    headers = {"Idempotency-Key": str(uuid4()), **change.pop("headers", {})}
    usual = {} if "content" in change else {"json": {"lines": lines, "ship_to": SHIP_TO}}
    ours, theirs = await shop.both("POST", "/orders", headers=headers, **{**usual, **change})
    assert ours.status_code == status, ours.text
    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
    assert await shop.rows("orders") == [[], []]


async def test_a_product_has_the_same_response(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve("product_service") as ours:
        connection = await asyncpg.connect(ours.database_url)
        await connection.execute(PRODUCTS, *products())
        await connection.close()
        with naive(naive_products, ours.database_url, monkeypatch) as app:
            pair = Pair(ours, app, ours.database_url)
            for path in (f"/products/{goods()[0].id}", f"/products/{uuid4()}", "/products/x"):
                mine, theirs = await pair.both("GET", path, signed_in=False)
                assert mine.status_code == theirs.status_code
                assert _product(mine) == _product(theirs)


def _product(answer: httpx.Response) -> Any:
    """PostgreSQL writes all six digits of a second, Python none when they are zero."""
    body = answer.json()
    for moment in ("created_at", "updated_at"):
        body.get(moment) and body.update({moment: body[moment].replace(".000000Z", "Z")})
    return body, answer.headers.get("ETag")
