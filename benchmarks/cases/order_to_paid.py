"""The latency from a request that includes a payment token to the response with the paid order. The checkout in three
requests and the throughput of the whole flow are measured in the same rounds."""

import statistics
from functools import partial

from benchmarks.cases.checkout import checkout, customer
from benchmarks.cases.whole_flow import flow
from benchmarks.figures import Latencies, Result, Row, Spread, ratio, take_turns
from benchmarks.goods import Draw
from benchmarks.load.client import carried_out
from benchmarks.load.plan import Load, Plan
from benchmarks.market import Market, market
from benchmarks.stage import Stage

CLIENTS = {1: 40, 16: 240, 64: 480}
"""The numbers of concurrent clients, and of orders that they place in each round."""
CHECKOUTS = 30
FLOWING = 400
ALONE_MS = 60.0


async def measure(stage: Stage) -> Result:
    async with market(stage) as place:
        draw = Draw(seed=7)
        paid = {clients: partial(_paid, place, draw, clients) for clients in CLIENTS}
        rounds = await take_turns({**paid, "checkout": partial(_checkouts, place), "flow": partial(_flow, place)})
    loads: dict[int, list[Load]] = {clients: rounds[clients] for clients in CLIENTS}
    return _result(loads, [load.ms(50) for load in rounds["checkout"]], [load.per_second for load in rounds["flow"]])


async def _paid(place: Market, draw: Draw, clients: int) -> Load:
    bodies = [{**draw.order(3), "payment_token": "tok_ok"} for _ in range(CLIENTS[clients])]
    requests = place.orders(bodies, Prefer="wait=20")
    return await carried_out(Plan(place.port("order"), requests, clients), "benchmarks.load.customers")


async def _checkouts(place: Market) -> Load:
    async with customer(place) as http:
        draw = Draw(seed=8)
        return Load(latencies=[await checkout(http, draw) / 1000 for _ in range(CHECKOUTS)])


async def _flow(place: Market) -> Load:
    rate = await flow(place, Draw(seed=9), 3, FLOWING)
    return Load(seconds=FLOWING / rate, latencies=[0.0] * FLOWING)


def _result(loads: dict[int, list[Load]], checkouts: list[float], flows: list[float]) -> Result:
    alone = Latencies([[1000 * each for each in load.latencies] for load in loads[1]])
    result = Result(figures={"order_to_paid_ms": alone.figures()})
    result.rows = [
        *alone.rows("order to paid, by a token, alone", {50: ALONE_MS}),
        Row(
            "order to paid, by a token, alone, p50", alone.percentile(50), "ms",
            "checkout, cart to paid, in the same rounds", Spread.of(checkouts), ratio(alone.by_round(50), checkouts),
        ),
    ]  # fmt: skip
    for clients, found in loads.items():
        if clients == 1:
            continue
        rates = [load.per_second for load in found]
        share = ratio(rates, flows)
        result.figures[f"order_to_paid_{clients}_clients_vs_whole_flow"] = round(share.median, 2)
        result.rows += [
            Row(
                f"orders to paid, {clients} clients that wait", Spread.of(rates), "orders/s",
                "whole flow, in the same rounds", Spread.of(flows), share,
            ),
            Row(f"order to paid, {clients} clients, p50", Spread.of([load.ms(50) for load in found]), "ms"),
        ]  # fmt: skip
    result.figures["order_to_paid_vs_checkout"] = round(
        statistics.median(one / other for one, other in zip(alone.by_round(50), checkouts, strict=True)), 2
    )
    return result
