"""Compares reading a product by id, with price and stock, with a naive endpoint."""

from functools import partial

from benchmarks.cases.place_order import naive
from benchmarks.figures import ROUNDS, Measure, Result, Row, Spread, ratio, take_turns
from benchmarks.goods import Draw, fill_products
from benchmarks.load.client import request, send
from benchmarks.load.plan import Plan
from benchmarks.stage import Server, Stage

SECONDS = 1.5
CONNECTIONS = 8


async def measure(stage: Stage) -> Result:
    found = await _compared(stage, ROUNDS)
    gain = ratio(found["ours"], found["naive"])
    row = Row(
        "read a product by id, 1 worker", Spread.of(found["ours"]), "/s",
        "sync SQLModel and psycopg2", Spread.of(found["naive"]), gain,
    )  # fmt: skip
    return Result({"product_read_vs_naive": round(gain.median, 2)}, [row])


async def quick_ratio(stage: Stage, rounds: int) -> dict[str, float]:
    """The ratio to the naive endpoint, from few rounds."""
    found = await _compared(stage, rounds)
    return {"product_read_vs_naive": ratio(found["ours"], found["naive"]).median}


async def _compared(stage: Stage, rounds: int) -> dict[str, list[float]]:
    database = await stage.database("product_service")
    await fill_products(database)
    wanted = requests(8000)
    async with (
        stage.serving("product_service", database, asyncpg_pool_size=CONNECTIONS) as ours,
        naive(stage, "products", database) as theirs,
    ):
        measures: dict[str, Measure] = {"ours": partial(_rate, ours, wanted), "naive": partial(_rate, theirs, wanted)}
        return await take_turns(measures, rounds)


def requests(count: int) -> list[bytes]:
    """Requests for products, drawn as often as they were sold in the data set."""
    draw = Draw(seed=3)
    return [request("GET", f"/products/{draw.basket(1)[0].id}") for _ in range(count)]


async def _rate(server: Server, wanted: list[bytes]) -> float:
    return (await send(Plan(server.port, wanted, CONNECTIONS, seconds=SECONDS))).per_second
