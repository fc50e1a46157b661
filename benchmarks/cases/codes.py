"""Placing orders with a code, beside orders without one; and 500 buyers of a promotion for 100 of them."""

from collections.abc import Sequence
from functools import partial
from itertools import count, cycle, islice
from typing import Any
from uuid import uuid4

import httpx
from asyncpg import Connection, Record

from benchmarks.accounts import LIMITS_ON, Account, accounts, fill_accounts
from benchmarks.cases import place_order
from benchmarks.figures import Result, Row, Spread, ratio, take_turns
from benchmarks.goods import Draw, fill_catalogue
from benchmarks.load.client import LoadFailed, carried_out, request, send
from benchmarks.load.plan import Load, Plan
from benchmarks.stage import Server, Stage, connected
from tests.harness import tokens

BUYERS = 500
USES = 100
CODE = "SAVE10"
USED = """
SELECT u.used, (SELECT count(*) FROM redemptions r WHERE r.promotion_id = p.id) FROM promotions p
JOIN promotion_uses u ON u.promotion_id = p.id WHERE p.name = $1
"""
_KINDS: dict[str, Sequence[str]] = {"with": (CODE,), "without": ()}


async def measure(stage: Stage) -> Result:
    result = Result()
    database = await stage.database("order_service")
    await fill_catalogue(database)
    await fill_accounts(database)
    async with (
        stage.serving("order_service", database, asyncpg_pool_size=place_order.CONNECTIONS, **LIMITS_ON) as server,
        connected(database) as connection,
    ):
        await _add_promotion(server, CODE)
        await _with_and_without(server, database, result)
        await _one_promotion_for_many(server, database, connection, result)
    return result


async def _add_promotion(server: Server, code: str, **limits: int) -> None:
    body = {"name": code, "stage": "order", "effect": {"percent": {"rate": "0.10"}}, "code": code, **limits}
    headers = {"Authorization": f"Bearer {tokens.token(role='Admin')}", "Idempotency-Key": str(uuid4())}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        made = await client.post("/promotions", json=body, headers=headers)
        answer = await client.post(f"/promotions/{made.json().get('id')}/activate", headers=headers)
    if not answer.is_success:
        raise LoadFailed(made.text + answer.text)


async def _with_and_without(server: Server, database: str, result: Result) -> None:
    draw = Draw()

    async def rate(codes: Sequence[str]) -> float:
        buyers = islice(cycle(accounts()), place_order.FASTEST * int(place_order.SECONDS))
        orders = [_order(buyer, draw, codes) for buyer in buyers]
        plan = Plan(server.port, orders, place_order.CONNECTIONS, seconds=place_order.SECONDS)
        return (await send(plan, expected=201)).per_second

    measures = {name: place_order.settled(database, partial(rate, codes)) for name, codes in _KINDS.items()}
    found = await take_turns(measures)
    share, (coded, plain) = ratio(found["with"], found["without"]), (Spread.of(found[name]) for name in _KINDS)
    result.rows.append(Row("place an order with a code, 1 worker", coded, "orders/s", "without a code", plain, share))
    result.figures["place_order_with_code_vs_without"] = round(share.median, 2)


async def _one_promotion_for_many(
    server: Server, database: str, connection: "Connection[Record]", result: Result
) -> None:
    numbers, used = count(1), []

    async def seconds() -> float:
        number = next(numbers)
        code = f"FIRST{number}"
        await _add_promotion(server, code, limit=USES)
        load = await _rush(server, code, BUYERS * number)
        used.append(tuple(await connection.fetchrow(USED, code) or ()))
        return load.seconds

    found = await take_turns({"rush": place_order.settled(database, seconds)})
    if set(used) != {(USES, USES)}:
        raise LoadFailed(f"a code for {USES} orders has (uses, redemptions): {used}")
    answered = Spread.of(found["rush"])
    result.rows.append(Row(f"{BUYERS} buyers, each request sent twice, a code for {USES}: all answered", answered, "s"))
    result.figures["code_500_buyers"] = {"used": USES, "answered_s": round(answered.median, 3)}


async def _rush(server: Server, code: str, first: int) -> Load:
    """The orders of buyers from number `first` on. Raises: LoadFailed, if one is neither placed nor rejected
    because the code is used up."""
    draw, buyers = Draw(), [accounts()[number % len(accounts())] for number in range(first, first + BUYERS)]
    requests = [order for buyer in buyers for order in [_order(buyer, draw, [code])] * 2]
    load = await carried_out(Plan(server.port, requests, connections=64), "benchmarks.load.generator")
    if set(load.statuses) != {201, 409}:
        raise LoadFailed(f"expected 201 and 409 only, got {dict(load.statuses)}")
    return load


def _order(buyer: Account, draw: Draw, codes: Sequence[str]) -> bytes:
    body: dict[str, Any] = {**draw.order(3), "codes": list(codes)}
    return request("POST", "/orders", body, **buyer.headers, Idempotency_Key=str(uuid4()))
