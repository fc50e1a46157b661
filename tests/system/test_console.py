"""The console of a running shop, by HTTP: the state of its parts, the flow of events, trails and logs."""

import asyncio
import secrets
from typing import Any
from uuid import uuid4

import httpx
import psutil

from contracts.topics import TOPICS
from local_stack.parts import CONSOLE
from tests.system.world import World, until
from tools.footprint import measure
from tools.trail import report

MOST_CPU, MOST_MEMORY = 0.01, 60 * 2**20
"""Of a core, and in bytes, while nobody looks at the console."""


class Console:
    """A browser that polls, as the page does."""

    def __init__(self, world: World) -> None:
        self._http, self._url = world.http, world.shop.url(CONSOLE.name)

    async def get(self, path: str, **parameters: Any) -> Any:
        answer = await self._http.get(self._url + path, params=parameters)
        assert answer.is_success, answer.text
        return answer.json()

    async def state(self) -> dict[str, Any]:
        async def sampled() -> Any:
            return (await self.get("/api/state"))["latest"]

        found: dict[str, Any] = await until("a sample", sampled)
        return found

    async def points(self, *columns: str) -> list[list[float]]:
        """The known values of each column."""
        state = await self.get("/api/state")
        places = [state["columns"].index(column) + 1 for column in columns] if state["columns"] else []
        return [[row[place] for row in state["rows"] if row[place] is not None] for place in places]


async def test_all_parts_are_ready(world: World) -> None:
    console = Console(world)

    async def levels() -> Any:
        parts = (await console.state())["parts"]
        found = {part["name"]: part["level"] for part in parts}
        return found if set(found.values()) == {"ok"} else None

    ready = await until("all parts are ready", levels)
    assert set(ready) == {part.name for part in world.shop.layout.parts} - {CONSOLE.name}


async def test_the_flow_and_the_latencies_of_an_order(world: World) -> None:
    console = Console(world)
    await console.state()
    customer, product = await world.customer(), await world.product(stock=10)
    order = await customer.order((product, 1), payment_token="tok_ok")

    async def flowed() -> Any:
        topics = {topic["name"]: topic for topic in (await console.state())["flow"]["topics"]}
        its = topics["order_notification"]
        [writer] = its["writers"]
        rates = its["per_second"], writer["per_second"], *(reader["per_second"] for reader in its["readers"])
        return topics if all(rates) and not any(reader["lag"] for reader in its["readers"]) else None

    topics = await until("events of the order in the flow", flowed)
    assert {name: [each["service"] for each in topic["readers"]] for name, topic in topics.items()} == {
        topic.name: list(topic.readers) for topic in TOPICS
    }
    await customer.order_becomes(order["id"], "paid")

    async def timed() -> Any:
        return all(await console.points("requests.p99", "decisions.p50", "events.p95", "lag.order", "outbox.order"))

    await until("a point in each chart", timed)


async def test_an_order_its_trail_and_the_logs_of_its_trace(world: World) -> None:
    console, trace = Console(world), secrets.token_hex(16)
    customer, product = await world.customer(), await world.product(stock=3)
    body = {"lines": [{"product_id": product, "quantity": 2}], "ship_to": {
        "name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"}}  # fmt: skip
    headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=30", "traceparent": f"00-{trace}-{'a' * 16}-01"}
    order = await customer.call("order", "POST", "/orders", json=body, headers=headers)
    number = int(order["number"])

    [listed] = [each for each in await console.get("/api/orders") if each["number"] == number]
    assert (listed["status"], listed["total"], listed["pieces"]) == (order["status"], order["total"]["amount"], 2)
    assert "King" not in str(listed)

    async def published() -> Any:
        found = await console.get(f"/api/orders/{number}/trail")
        return found if any(step["what"].startswith("published order.placed") for step in found["steps"]) else None

    trail = await until("the event on Kafka", published)
    expected = await asyncio.to_thread(report.follow, world.shop, number)
    assert [step["what"] for step in trail["steps"]] == [step.what for step in expected.steps][: len(trail["steps"])]
    assert trace in {step["trace_id"] for step in trail["steps"]}

    logs = await console.get("/api/logs", trace_id=trace)
    assert any(line["service"] == "order" and "/orders" in line["fields"] for line in logs["lines"])
    assert (await console.get("/api/logs", trace_id=trace, after=logs["position"]))["lines"] == []


async def test_an_unknown_order_has_no_trail(world: World) -> None:
    answer = await world.http.get(f"{world.shop.url(CONSOLE.name)}/api/orders/999999999/trail")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no order 999999999.")


async def test_the_charts_come_from_the_locked_jar(world: World) -> None:
    script = await world.http.get(f"{world.shop.url(CONSOLE.name)}/charts/uPlot.iife.min.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "uPlot" in script.text[:400]


async def test_it_listens_on_this_machine_only(world: World) -> None:
    process = psutil.Process(world.shop.pid(CONSOLE.name))
    listening = [each.laddr for each in process.net_connections() if each.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", world.shop.layout.port(CONSOLE))]


async def test_while_nobody_looks_it_costs_next_to_nothing(world: World) -> None:
    await asyncio.to_thread(world.shop.restart, CONSOLE.name)
    await asyncio.sleep(2)  # its start is not measured
    found = await asyncio.to_thread(measure, world.shop, CONSOLE.name, 8)
    assert found.processes == 1
    assert found.memory_bytes <= MOST_MEMORY, str(found)
    assert found.cpu_share <= MOST_CPU, str(found)


async def test_a_stopped_console_is_reported_like_any_part(world: World) -> None:
    await asyncio.to_thread(world.shop.stop, CONSOLE.name)
    assert not world.shop.is_ready(CONSOLE.name)
    await asyncio.to_thread(world.shop.start, CONSOLE.name)
    await asyncio.to_thread(world.shop.wait_ready, CONSOLE.name)
    with httpx.Client() as http:
        assert http.get(world.shop.url(CONSOLE.name)).status_code == 200
