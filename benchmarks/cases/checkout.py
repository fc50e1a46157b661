"""The checkout of a single customer: add to the cart, place the order, wait for the stock, pay."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp

from benchmarks.figures import ROUNDS, Latencies, Result
from benchmarks.goods import ADDRESS, Draw
from benchmarks.load.client import LoadFailed
from benchmarks.market import Market, market
from benchmarks.stage import Stage

CHECKOUTS = 100


async def measure(stage: Stage) -> Result:
    async with market(stage) as place, customer(place) as http:
        draw = Draw()
        rounds = [[await checkout(http, draw) for _ in range(CHECKOUTS)] for _ in range(ROUNDS + 1)]
    found = Latencies(rounds[1:])
    rows = found.rows("checkout, cart to paid, alone", {50: 40})
    result = Result(figures={"checkout_ms": found.figures()}, rows=rows)
    result.series["checkout_ms"] = found.samples()
    return result


@asynccontextmanager
async def customer(place: Market) -> AsyncIterator[aiohttp.ClientSession]:
    """The single customer of the benchmark."""
    headers = {"Authorization": place.bearers[0]}
    url = place.shop.url("order")
    async with aiohttp.ClientSession(url, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def checkout(http: aiohttp.ClientSession, draw: Draw) -> float:
    """The duration of a checkout with three requests, in milliseconds."""
    [good] = draw.basket(1)
    started = time.perf_counter()
    async with http.put(f"/cart/items/{good.id}", json={"quantity": 1}) as answer:
        answer.raise_for_status()
        cart = await answer.json()
    headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=10"}
    seen = {"cart_version": cart["version"], "expected_total": cart["total"]}
    body = {"from_cart": True, "ship_to": ADDRESS, **seen}
    async with http.post("/orders", json=body, headers=headers) as answer:
        answer.raise_for_status()
        order = await answer.json()
    if order["status"] != "awaiting_payment":
        raise LoadFailed(f"the order is {order['status']}")
    headers = {"Idempotency-Key": str(uuid4())}
    async with http.post(f"/orders/{order['id']}/payments", json={"token": "tok_ok"}, headers=headers) as answer:
        answer.raise_for_status()
        payment = await answer.json()
    if payment["status"] != "succeeded":
        raise LoadFailed(f"the payment is {payment['status']}")
    return 1000 * (time.perf_counter() - started)
