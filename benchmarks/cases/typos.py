"""How many of 1,000 misspelt names of the real shop's products find the right product among the first three."""

import httpx

from benchmarks import typos
from benchmarks.figures import Result, Row, Spread
from benchmarks.goods import fill_products
from benchmarks.stage import Stage, connected
from product_service.vocabulary.queries import COLLECT_WORDS

COUNT = 1000
WANTED = 95.0


async def measure(stage: Stage) -> Result:
    database = await stage.database("product_service")
    await fill_products(database)
    async with connected(database) as connection:
        await connection.execute(COLLECT_WORDS.sql)
        await connection.execute("ANALYZE")
    async with (
        stage.serving("product_service", database) as server,
        httpx.AsyncClient(base_url=server.url, verify=False) as client,
    ):

        async def ask(typed: str) -> list[str]:
            answer = await client.get("/products", params={"q": typed, "limit": typos.PLACES})
            return [item["name"] for item in answer.raise_for_status().json()["items"]]

        found = await typos.found(ask, COUNT)
    percent = round(100 * found.share, 1)
    row = Row(
        f"{COUNT:,} names with a typo: right product in the first {typos.PLACES}",
        Spread.of([percent]), "%", "wanted at least", Spread.of([WANTED]),
    )  # fmt: skip
    return Result({"typos_found_percent": percent}, [row])
