"""Searches with facets, suggestions and collapsed lists in a catalogue of 100,000 products, beside plain SQL."""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from benchmarks import typos
from benchmarks.figures import ROUNDS, Latencies, Result, Row, take_turns
from benchmarks.goods import Draw
from benchmarks.stage import Stage, connected
from benchmarks.variations import fill_variations
from product_service.vocabulary.queries import COLLECT_WORDS

TIMES = 200
"""The number of requests of a kind in each round."""
Asked = dict[str, Any]
Ask = Callable[[Asked], Awaitable[Any]]
_FOUND = """
WITH found AS (
    SELECT id, category_id, brand, attributes, ts_rank(search_vector, query) AS rank
    FROM products, websearch_to_tsquery('english', $1) AS query
    WHERE status = 'active' AND search_vector @@ query AND attributes @> $2::jsonb
)
"""
SEARCH = (
    f"{_FOUND} SELECT p.* FROM found JOIN products p USING (id) ORDER BY rank DESC, id LIMIT 20",
    f"{_FOUND} SELECT category_id, count(*) FROM found GROUP BY 1",
    f"{_FOUND} SELECT brand, count(*) FROM found GROUP BY 1",
    f"{_FOUND} SELECT each.key, each.value, count(*) FROM found, jsonb_each(attributes) AS each GROUP BY 1, 2",
)
SUGGEST = ("SELECT id, name FROM products WHERE status = 'active' AND name ILIKE '%' || $1 || '%' LIMIT 5",)
COLLAPSED = (
    """
    SELECT * FROM (
        SELECT DISTINCT ON (coalesce(family_id, id)) * FROM products WHERE status = 'active'
        ORDER BY coalesce(family_id, id), created_at DESC, id DESC
    ) AS first ORDER BY created_at DESC, id DESC LIMIT 20 OFFSET $1
    """,
)


async def measure(stage: Stage) -> Result:
    database = await stage.database("product_service")
    count = await fill_variations(database)
    async with (
        connected(database) as connection,
        stage.serving("product_service", database) as server,
        httpx.AsyncClient(base_url=server.url, verify=False, timeout=60) as client,
    ):
        await connection.execute(COLLECT_WORDS.sql)
        await connection.execute("ANALYZE")

        async def ours(asked: Asked) -> None:
            (await client.get(asked["path"], params=asked["params"])).raise_for_status()

        async def theirs(asked: Asked) -> None:
            for statement in asked["statements"]:
                await connection.fetch(statement, *asked["values"])

        result = Result()
        kinds: dict[str, list[Asked]] = {
            "search with facets": _searches(),
            "suggestions": _prefixes(),
            "list by family": await _lists(client),
        }
        for what, asked in kinds.items():
            await _compare(result, f"{what}, {count:,} products", asked, ours, theirs)
    result.figures["search_p95_ms"] = result.rows[1].measured.median
    return result


async def _compare(result: Result, what: str, asked: Sequence[Asked], ours: Ask, theirs: Ask) -> None:
    found = await take_turns({"ours": lambda: _timed(ours, asked), "plain": lambda: _timed(theirs, asked)}, ROUNDS)
    latencies = {name: Latencies(rounds) for name, rounds in found.items()}
    for percent in (50, 95):
        name, plain = f"{what}, p{percent}", latencies["plain"].percentile(percent)
        result.rows.append(Row(name, latencies["ours"].percentile(percent), "ms", "plain SQL, same filters", plain))


async def _timed(ask: Ask, asked: Sequence[Asked]) -> list[float]:
    """The milliseconds of each request."""
    found = []
    for each in asked:
        began = time.perf_counter()
        await ask(each)
        found.append(1000 * (time.perf_counter() - began))
    return found


def _searches() -> list[Asked]:
    """One to three words of products, as often as these were sold; a quarter misspelt, a quarter in one colour."""
    draw, drawn = random.Random(5), Draw(seed=5)
    found = []
    for number in range(TIMES):
        words = [word for word in drawn.basket(1)[0].name.split() if len(word) >= 4 and word.isalpha()] or ["LANTERN"]
        chosen = draw.sample(words, min(len(words), draw.randint(1, 3)))
        if number % 4 == 1:
            chosen[0] = typos.edited(chosen[0], draw)
        attr, attributes = (["colour:red"], '{"colour": "red"}') if number % 4 == 2 else ([], "{}")
        params = {"q": " ".join(chosen), "facets": "true", "attr": attr}
        found.append({"path": "/products", "params": params, "statements": SEARCH, "values": [params["q"], attributes]})
    return found


def _prefixes() -> list[Asked]:
    """What is in the search field after each key press from the second on, while names are typed."""
    drawn = Draw(seed=6)
    found: list[Asked] = []
    while len(found) < TIMES:
        name = drawn.basket(1)[0].name.lower()[:24]
        for length in range(2, len(name) + 1):
            asked = {"statements": SUGGEST, "values": [name[:length]]}
            found.append({"path": "/products/suggest", "params": {"q": name[:length]}, **asked})
    return found[:TIMES]


async def _lists(client: httpx.AsyncClient) -> list[Asked]:
    """The first pages of the list, the newest products first."""
    found: list[Asked] = []
    params = {"collapse": "family"}
    for number in range(20):
        asked = {"statements": COLLAPSED, "values": [20 * number]}
        found.append({"path": "/products", "params": dict(params), **asked})
        params["cursor"] = (await client.get("/products", params=params)).json()["next"]
    return found
